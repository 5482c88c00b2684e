//! What is wrong with a spec, shown the way good compilers do it.

use std::fmt;

/// One thing that is wrong with a spec, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// File as the spec names it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Key path, such as `user.hashtag.start`; empty at the top.
    pub path: String,
    /// What is wrong, with the offending value and what is allowed.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    excerpt: String,
    indent: usize,
    width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "error: {}", self.message)?;
        write!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, " ({})", self.path)?;
        }
        writeln!(f, "\n{margin} |")?;
        writeln!(f, "{number} | {}", self.excerpt)?;
        let carets = "^".repeat(self.width.max(1));
        write!(f, "{margin} | {}{carets}", " ".repeat(self.indent))?;
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// Why a spec cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The spec breaks rules; all of them are listed.
    #[error("{}", render(.problems))]
    Invalid {
        /// What is wrong, in the order of files and lines; at most 100.
        problems: Vec<Problem>,
    },
    /// The spec's own file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl SpecError {
    /// Returns what is wrong; empty when the file could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems } => problems,
            Self::Read { .. } => &[],
        }
    }
}

fn render(problems: &[Problem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    format!("{}\n\nthe spec has {count}", texts.join("\n\n"))
}

/// Most problems that are kept.
const MAX_PROBLEMS: usize = 100;
/// Longest excerpt, in characters.
const MAX_EXCERPT: usize = 100;

/// A place in one of the files of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The files of a spec and what is wrong with them so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    files: Vec<(String, String)>,
    found: Vec<(Span, Problem)>,
}

impl Problems {
    pub(crate) fn add_file(&mut self, name: &str, text: &str) -> usize {
        self.files.push((name.to_owned(), text.to_owned()));
        self.files.len() - 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether no more problems are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    pub(crate) fn file_name(&self, span: Span) -> &str {
        self.files.get(span.file).map_or("", |f| f.0.as_str())
    }

    pub(crate) fn add(&mut self, span: Span, path: &str, message: String, help: Option<String>) {
        if self.is_full()
            || self
                .found
                .iter()
                .any(|(s, p)| *s == span && p.message == message)
        {
            return;
        }
        let (file, text) = self.files.get(span.file).map_or(("", ""), |(f, t)| (f, t));
        let start = floor(text, span.start.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let end = floor(text, span.end.clamp(start, line_end));
        let column = text[line_start..start].chars().count();
        let cut = column > MAX_EXCERPT - 20;
        let skipped = if cut { column - MAX_EXCERPT / 2 } else { 0 };
        let mut excerpt: String = text[line_start..line_end]
            .chars()
            .skip(skipped)
            .take(MAX_EXCERPT)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        excerpt.truncate(excerpt.trim_end().len());
        let shown = column - skipped;
        let width = text[start..end]
            .chars()
            .count()
            .min(excerpt.chars().count().saturating_sub(shown));
        let problem = Problem {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: column + 1,
            path: path.to_owned(),
            message,
            help,
            excerpt,
            indent: shown,
            width,
        };
        self.found.push((span, problem));
    }

    /// All that was found, in order of files and lines.
    pub(crate) fn into_error(mut self) -> SpecError {
        self.found.sort_by_key(|(span, _)| *span);
        SpecError::Invalid {
            problems: self.found.into_iter().map(|(_, p)| p).collect(),
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The known name nearest to `name`, when it is near enough to be meant.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > 64 {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|k| k.len() <= 64)
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// `did you mean` for a name that is not known, or the names there are.
pub(crate) fn suggest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<_> = known.into_iter().collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let list: Vec<_> = known.iter().take(24).map(|k| format!("`{k}`")).collect();
    (!list.is_empty()).then(|| format!("known are {}", list.join(", ")))
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
