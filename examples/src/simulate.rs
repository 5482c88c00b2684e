//! A made-up short-video app with a known true model: its users, its videos and a log of plays.
//!
//! Every like is drawn from a true probability, which is written beside the plays, so that anyone
//! can see how close training comes to the best possible log loss. The same seed and sizes give the
//! same bytes on every platform. Plays are written as they are drawn: memory does not grow with
//! their number.

mod clock;
mod random;
mod world;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::Failure;
use crate::compressed::{CompressedFile, Compression};
use crate::progress::Progress;

use self::clock::Clock;
pub use self::clock::FESTIVALS;
use self::random::Draws;
use self::world::{ACTIVITIES, AGES, GENDERS, LOCATIONS, Sizes, TABS, TOPICS, UPLOADS, World};

/// What to simulate.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct SimulateConfig {
    /// Plays to write
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub plays: u64,
    /// Users of the app
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub users: u32,
    /// Videos of the app
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    pub videos: u32,
    /// Hashtags that videos carry
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub hashtags: u32,
    /// Hours of event time that the plays spread over
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub hours: u32,
    /// First moment of the log, the beginning of an hour in UTC
    #[arg(long, default_value = "2023-11-10T00:00:00Z")]
    pub start: Timestamp,
    /// Likes over plays that the true model is set to
    #[arg(long, default_value_t = 0.1)]
    pub like_rate: f64,
    /// Seed: the same seed and sizes give the same bytes
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Compression of the files
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
}

impl Default for SimulateConfig {
    fn default() -> Self {
        Self {
            plays: 200_000,
            users: 20_000,
            videos: 5_000,
            hashtags: 300,
            hours: 96,
            // 2023-11-10T00:00:00Z; Diwali was on 2023-11-12.
            start: Timestamp::constant(1_699_574_400, 0),
            like_rate: 0.1,
            seed: 7,
            compression: Compression::None,
        }
    }
}

/// What was simulated, and where it lies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Simulated {
    /// The plays, in time order.
    pub plays: PathBuf,
    /// The users with their attributes.
    pub users: PathBuf,
    /// The videos with their metadata.
    pub videos: PathBuf,
    /// The true probability of a like for every play.
    pub truth: PathBuf,
    /// Plays that were liked.
    pub likes: u64,
    /// Mean log loss of the true probabilities over all plays, in nats: what no model can beat but
    /// by luck.
    pub true_log_loss: f64,
}

/// Writes `users.csv`, `videos.csv`, `plays.csv` and `truth.csv` to a folder, each of them whole or
/// not at all.
///
/// O(log(users + videos)) a play; memory in proportion to users + videos + hashtags + hours.
///
/// # Errors
///
/// - `like_rate` is not between 0.001 and 0.9, or the time span leaves the calendar.
/// - A file cannot be written.
pub fn run(
    config: &SimulateConfig,
    output: &Path,
    progress: Progress,
) -> Result<Simulated, Failure> {
    if !(0.001..=0.9).contains(&config.like_rate) {
        return Err(Failure::usage(format!(
            "--like-rate {} is not between 0.001 and 0.9",
            config.like_rate
        )));
    }
    if config.start.as_second() % 3600 != 0 || config.start.subsec_nanosecond() != 0 {
        return Err(Failure::usage(format!(
            "--start {} is not the beginning of an hour",
            config.start
        )));
    }
    let clock = Clock::new(config.start, config.hours, config.plays).ok_or_else(|| {
        Failure::usage(format!(
            "--start {} and {} hours leave the calendar",
            config.start, config.hours
        ))
    })?;
    let sizes = Sizes {
        users: config.users as usize,
        videos: config.videos as usize,
        hashtags: config.hashtags as usize,
    };
    let world = World::new(sizes, config.seed);
    let file = |name: &str| output.join(format!("{name}.csv{}", config.compression.suffix()));
    let (users, videos) = (file("users"), file("videos"));
    write_users(&world, &users, config.compression)?;
    write_videos(&world, &videos, config.compression)?;
    let (plays, truth) = (file("plays"), file("truth"));
    let (likes, true_log_loss) = write_plays(config, &world, clock, &plays, &truth, &progress)?;
    Ok(Simulated {
        plays,
        users,
        videos,
        truth,
        likes,
        true_log_loss,
    })
}

fn write_plays(
    config: &SimulateConfig,
    world: &World,
    mut clock: Clock,
    plays_path: &Path,
    truth_path: &Path,
    progress: &Progress,
) -> Result<(u64, f64), Failure> {
    let mut plays = CompressedFile::create(plays_path, config.compression)?;
    let mut truth = CompressedFile::create(truth_path, config.compression)?;
    let columns =
        "play_id,time_ms,user_id,video_id,tab,play_time_ms,duration_ms,is_like,is_share\n";
    plays.write_all(columns.as_bytes())?;
    truth.write_all(b"play_id,probability\n")?;
    let bias = solve_bias(config, world)?;
    let mut draws = Draws::new(config.seed, 5);
    let mut stage = progress.stage("simulate", "plays", Some(config.plays));
    let (mut likes, mut loss) = (0_u64, 0.0_f64);
    let mut line = String::new();
    for play in 0..config.plays {
        let (time_ms, hour) = clock.next(&mut draws);
        let (user, video) = world.draw_pair(&mut draws);
        let tab = draw_tab(&mut draws);
        let affinity = world.affinity(user, video);
        let margin = bias + affinity + world.moment(video, hour.of_day, hour.festival, tab);
        let probability = sigmoid(margin);
        let liked = draws.chance(probability);
        let shared = draws.chance(sigmoid(margin - 2.0));
        let watched = libm::exp(-0.9 + 0.35 * affinity + 0.6 * draws.normal()).min(4.0);
        let duration_ms = world.videos[video].duration_ms;
        let play_time_ms = random::index(watched * f64::from(duration_ms));
        likes += u64::from(liked);
        loss -= libm::log(if liked {
            probability
        } else {
            1.0 - probability
        });
        line.clear();
        let _ = writeln!(
            line,
            "{play},{time_ms},{user},{video},{},{play_time_ms},{duration_ms},{},{}",
            TABS[tab].0,
            u8::from(liked),
            u8::from(shared)
        );
        plays.write_all(line.as_bytes())?;
        line.clear();
        let _ = writeln!(line, "{play},{probability:.9}");
        truth.write_all(line.as_bytes())?;
        if play % 1024 == 1023 {
            stage.advance(1024);
        }
    }
    plays.finish()?;
    truth.finish()?;
    stage.advance(config.plays % 1024);
    stage.finish();
    Ok((likes, loss / config.plays as f64))
}

/// The bias at which the mean true probability over a sample of plays is the like rate.
fn solve_bias(config: &SimulateConfig, world: &World) -> Result<f64, Failure> {
    const SAMPLE: u64 = 4096;
    let mut draws = Draws::new(config.seed, 6);
    let mut clock = Clock::new(config.start, config.hours, SAMPLE)
        .ok_or_else(|| Failure::usage("the time span leaves the calendar"))?;
    let sample: Vec<f64> = (0..SAMPLE)
        .map(|_| {
            let (_, hour) = clock.next(&mut draws);
            let (user, video) = world.draw_pair(&mut draws);
            let tab = draw_tab(&mut draws);
            world.affinity(user, video) + world.moment(video, hour.of_day, hour.festival, tab)
        })
        .collect();
    let (mut low, mut high) = (-30.0_f64, 30.0_f64);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let sum: f64 = sample.iter().map(|margin| sigmoid(margin + middle)).sum();
        if sum < config.like_rate * SAMPLE as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(0.5 * (low + high))
}

fn draw_tab(draws: &mut Draws) -> usize {
    let mut left = draws.unit();
    for (tab, (_, share, _)) in TABS.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return tab;
        }
    }
    0
}

/// The logistic function, in the form that does not overflow for either sign.
fn sigmoid(margin: f64) -> f64 {
    let small = libm::exp(-margin.abs());
    if margin >= 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    }
}

fn write_users(world: &World, path: &Path, compression: Compression) -> Result<(), Failure> {
    let mut file = CompressedFile::create(path, compression)?;
    file.write_all(b"user_id,location,age,gender,activity,interests,days_registered\n")?;
    for (number, user) in world.users.iter().enumerate() {
        let interests = join(user.interests.iter().map(|&topic| TOPICS[topic]));
        let line = format!(
            "{number},{},{},{},{},{interests},{}\n",
            LOCATIONS[user.location],
            AGES[user.age],
            GENDERS[user.gender],
            ACTIVITIES[user.activity].0,
            user.days_registered
        );
        file.write_all(line.as_bytes())?;
    }
    file.finish()
}

fn write_videos(world: &World, path: &Path, compression: Compression) -> Result<(), Failure> {
    let mut file = CompressedFile::create(path, compression)?;
    file.write_all(b"video_id,author_id,topic,hashtags,upload,duration_ms\n")?;
    for (number, video) in world.videos.iter().enumerate() {
        let hashtags = video.hashtags.iter();
        let hashtags = join(hashtags.map(|&hashtag| world.hashtags[hashtag].name.as_str()));
        let line = format!(
            "{number},{},{},{hashtags},{},{}\n",
            video.author, TOPICS[video.topic], UPLOADS[video.upload].0, video.duration_ms
        );
        file.write_all(line.as_bytes())?;
    }
    file.finish()
}

/// A list as one quoted CSV cell.
fn join<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.collect();
    format!("\"{}\"", values.join(","))
}
