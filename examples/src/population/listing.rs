//! Statistics for people: a row for every position that has been seen.

use std::path::Path;

use feature_spec::FeatureSpec;
use zscore_stats::Population;

use crate::cli::Failure;
use crate::whole_file::WholeFile;

const COLUMNS: [&str; 6] = ["position", "feature", "rows", "nonzeros", "mean", "std_dev"];

/// One position.
struct Entry {
    position: u32,
    feature: String,
    rows: u64,
    nonzeros: u64,
    /// `M` of the transformed value, `t(x₀)` included.
    mean: f64,
    std_dev: f64,
}

/// Lists what is known of every position that has been seen: CSV or, with the feature `parquet` and
/// a name that ends so, Parquet.
///
/// `mean` and `std_dev` are those of the transformed value.
///
/// # Errors
///
/// The file cannot be written, or this build does not write Parquet.
pub fn list(path: &Path, spec: &FeatureSpec, population: &Population) -> Result<(), Failure> {
    if path
        .extension()
        .is_some_and(|extension| extension == "parquet")
    {
        return list_parquet(path, spec, population);
    }
    let failure = |source: csv::Error| Failure::file(path, source);
    let mut writer = csv::Writer::from_writer(WholeFile::create(path)?);
    writer.write_record(COLUMNS).map_err(failure)?;
    for entry in entries(spec, population) {
        let record = [
            entry.position.to_string(),
            entry.feature,
            entry.rows.to_string(),
            entry.nonzeros.to_string(),
            entry.mean.to_string(),
            entry.std_dev.to_string(),
        ];
        writer.write_record(record).map_err(failure)?;
    }
    let file = writer
        .into_inner()
        .map_err(|error| Failure::file(path, error.into_error()))?;
    file.finish()
}

/// Lists what is known of every position that has been seen as Parquet, one row group.
///
/// # Errors
///
/// The file cannot be written, or this build has not the feature `parquet`.
#[cfg(not(feature = "parquet"))]
pub fn list_parquet(path: &Path, _: &FeatureSpec, _: &Population) -> Result<(), Failure> {
    Err(Failure::usage(format!(
        "{}: this build writes no Parquet; build with --features parquet",
        path.display()
    )))
}

/// Lists what is known of every position that has been seen as Parquet, one row group.
///
/// # Errors
///
/// The file cannot be written.
#[cfg(feature = "parquet")]
pub fn list_parquet(
    path: &Path,
    spec: &FeatureSpec,
    population: &Population,
) -> Result<(), Failure> {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    const SCHEMA: &str = "message statistics {
        required int64 position; required binary feature (utf8); required int64 rows;
        required int64 nonzeros; required double mean; required double std_dev; }";

    let failure = |source: parquet::errors::ParquetError| Failure::file(path, source);
    let entries: Vec<_> = entries(spec, population).collect();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failure)?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = WholeFile::create(path)?;
    let mut writer = SerializedFileWriter::new(&mut file, schema, properties).map_err(failure)?;
    let mut group = writer.next_row_group().map_err(failure)?;
    let mut at = 0;
    while let Some(mut column) = group.next_column().map_err(failure)? {
        let of_whole =
            |value: fn(&Entry) -> u64| entries.iter().map(|e| whole(value(e))).collect::<Vec<_>>();
        let of_real = |value: fn(&Entry) -> f64| entries.iter().map(value).collect::<Vec<_>>();
        let written = match COLUMNS[at] {
            "feature" => {
                let names: Vec<_> = entries
                    .iter()
                    .map(|e| ByteArray::from(e.feature.as_str()))
                    .collect();
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&names, None, None)
            }
            "mean" => column
                .typed::<DoubleType>()
                .write_batch(&of_real(|e| e.mean), None, None),
            "std_dev" => {
                column
                    .typed::<DoubleType>()
                    .write_batch(&of_real(|e| e.std_dev), None, None)
            }
            "position" => column.typed::<Int64Type>().write_batch(
                &of_whole(|e| e.position.into()),
                None,
                None,
            ),
            "rows" => column
                .typed::<Int64Type>()
                .write_batch(&of_whole(|e| e.rows), None, None),
            _ => column
                .typed::<Int64Type>()
                .write_batch(&of_whole(|e| e.nonzeros), None, None),
        };
        written.map_err(failure)?;
        column.close().map_err(failure)?;
        at += 1;
    }
    group.close().map_err(failure)?;
    writer.close().map_err(failure)?;
    file.finish()
}

fn entries(spec: &FeatureSpec, population: &Population) -> impl Iterator<Item = Entry> {
    let positions = 0..u32::try_from(spec.columns()).unwrap_or(u32::MAX);
    positions.filter_map(|position| {
        let moments = population
            .moments(position)
            .filter(|moments| moments.nonzeros > 0)?;
        let rows = population.size_at(position);
        let policy = spec.policies().policy(position)?;
        Some(Entry {
            position,
            feature: spec.describe(position),
            rows,
            nonzeros: moments.nonzeros,
            mean: moments.mean(rows)? + policy.transform.apply(policy.absent_value)?,
            std_dev: moments.population_std_dev(rows)?,
        })
    })
}
