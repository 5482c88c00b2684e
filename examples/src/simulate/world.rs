//! The made-up app: its topics, hashtags, videos and users, and what truly makes a like.
//!
//! A like's log-odds are a sum of effects that a spec can see (a user's attributes against a
//! video's topic and hashtags, the quality of hashtag, author and video, upload kind, tab, hour and
//! festival) and of two that only history can reveal: a user's own readiness to like, and a user's
//! own taste for each hashtag.

use super::random::{Draws, Weighted, index, normal_of};

pub(crate) const TOPICS: [&str; 12] = [
    "comedy", "dance", "music", "cricket", "food", "fashion", "news", "devotion", "tech", "travel",
    "pets", "film",
];
pub(crate) const LOCATIONS: [&str; 10] = [
    "delhi", "mumbai", "lucknow", "jaipur", "patna", "kolkata", "indore", "pune", "kanpur", "surat",
];
pub(crate) const AGES: [&str; 5] = ["13-17", "18-24", "25-34", "35-44", "45+"];
pub(crate) const GENDERS: [&str; 2] = ["female", "male"];
pub(crate) const ACTIVITIES: [(&str, f64); 4] = [
    ("low", -0.6),
    ("middle", -0.1),
    ("high", 0.3),
    ("full", 0.8),
];
pub(crate) const UPLOADS: [(&str, f64); 3] = [("camera", 0.2), ("edited", 0.4), ("imported", -0.5)];
pub(crate) const TABS: [(&str, f64, f64); 3] = [
    // Name, share of the plays, effect.
    ("for_you", 0.7, 0.0),
    ("following", 0.2, 0.8),
    ("search", 0.1, -0.4),
];

/// Hashtags with a name of their own and their topics; the others are `#<topic><number>`.
const NAMED: [(&str, usize); 12] = [
    ("#comedy", 0),
    ("#funny", 0),
    ("#dance", 1),
    ("#song", 2),
    ("#cricket", 3),
    ("#recipe", 4),
    ("#style", 5),
    ("#news", 6),
    ("#bhakti", 7),
    ("#mobile", 8),
    ("#trip", 9),
    ("#dog", 10),
];

/// Standard deviations of the effects, in log-odds.
const OF_AGE: f64 = 0.7;
const OF_GENDER: f64 = 0.5;
const OF_LOCATION: f64 = 0.5;
const OF_HASHTAG: f64 = 0.5;
const OF_AUTHOR: f64 = 0.2;
const OF_VIDEO: f64 = 0.2;
const OF_READINESS: f64 = 0.25;
const OF_OWN_TASTE: f64 = 0.25;

/// Log-odds that an interest stated in the profile adds to its topic, and takes from the others.
const INTEREST: f64 = 1.8;
const NO_INTEREST: f64 = -0.7;
/// Half the difference between the evening's peak and the morning's trough.
const HOUR: f64 = 0.4;
const FESTIVAL: f64 = 0.3;
/// What a festival adds to the topics that go with one, on top.
const FESTIVE_TOPIC: f64 = 0.9;
const FESTIVE_TOPICS: [usize; 3] = [4, 5, 7];

#[derive(Debug)]
pub(crate) struct Hashtag {
    pub(crate) name: String,
    pub(crate) topic: usize,
    quality: f64,
}

#[derive(Debug)]
pub(crate) struct Video {
    pub(crate) author: usize,
    pub(crate) topic: usize,
    pub(crate) hashtags: Vec<usize>,
    pub(crate) duration_ms: u32,
    pub(crate) upload: usize,
    quality: f64,
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) location: usize,
    pub(crate) age: usize,
    pub(crate) gender: usize,
    pub(crate) activity: usize,
    pub(crate) interests: Vec<usize>,
    pub(crate) days_registered: u32,
    readiness: f64,
}

/// How many there are of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) users: usize,
    pub(crate) videos: usize,
    pub(crate) hashtags: usize,
}

/// Everything but the plays; memory in proportion to users, videos and hashtags.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) hashtags: Vec<Hashtag>,
    pub(crate) videos: Vec<Video>,
    pub(crate) users: Vec<User>,
    seed: u64,
    tastes: Tastes,
    user_activity: Weighted,
    video_popularity: Weighted,
    /// Videos of each topic, most popular first, and their popularity.
    by_topic: Vec<(Vec<usize>, Weighted)>,
}

/// Tastes of groups of users for topics.
#[derive(Debug)]
struct Tastes {
    of_age: Vec<[f64; TOPICS.len()]>,
    of_gender: Vec<[f64; TOPICS.len()]>,
    of_location: Vec<[f64; TOPICS.len()]>,
}

impl World {
    pub(crate) fn new(sizes: Sizes, seed: u64) -> Self {
        let tastes = Tastes::draw(&mut Draws::new(seed, 1));
        let hashtags = draw_hashtags(sizes.hashtags, &mut Draws::new(seed, 2));
        let videos = draw_videos(sizes.videos, &hashtags, &mut Draws::new(seed, 3));
        let users = draw_users(sizes.users, &mut Draws::new(seed, 4));
        let popularity = |video: usize| libm::pow(video as f64 + 3.0, -0.8);
        let by_topic = (0..TOPICS.len()).map(|topic| {
            let of_topic = (0..videos.len()).filter(|&video| videos[video].topic == topic);
            let of_topic: Vec<usize> = of_topic.collect();
            let weights = Weighted::new(of_topic.iter().copied().map(popularity));
            (of_topic, weights)
        });
        Self {
            by_topic: by_topic.collect(),
            video_popularity: Weighted::new((0..videos.len()).map(popularity)),
            user_activity: Weighted::zipf(users.len(), 0.5),
            hashtags,
            videos,
            users,
            seed,
            tastes,
        }
    }

    /// Draws who watches what: half of the time a video of the user's interests, else one of all.
    pub(crate) fn draw_pair(&self, draws: &mut Draws) -> (usize, usize) {
        let user = self.user_activity.draw(draws);
        let interests = &self.users[user].interests;
        let topic = interests[draws.below(interests.len())];
        let (of_topic, popularity) = &self.by_topic[topic];
        if draws.chance(0.5) && !of_topic.is_empty() {
            (user, of_topic[popularity.draw(draws)])
        } else {
            (user, self.video_popularity.draw(draws))
        }
    }

    /// How much a user takes to a video, in log-odds: everything but the moment.
    pub(crate) fn affinity(&self, user: usize, video: usize) -> f64 {
        let (number, user) = (user as u64, &self.users[user]);
        let video = &self.videos[video];
        let interested = user.interests.contains(&video.topic);
        let mut affinity = if interested { INTEREST } else { NO_INTEREST };
        affinity += self.tastes.of_age[user.age][video.topic];
        affinity += self.tastes.of_gender[user.gender][video.topic];
        affinity += self.tastes.of_location[user.location][video.topic];
        affinity += ACTIVITIES[user.activity].1 + user.readiness;
        affinity += UPLOADS[video.upload].1 + video.quality;
        let of_hashtag = |&hashtag: &usize| {
            let own = normal_of(self.seed, number, hashtag as u64);
            self.hashtags[hashtag].quality + OF_OWN_TASTE * own
        };
        let sum: f64 = video.hashtags.iter().map(of_hashtag).sum();
        affinity + sum / video.hashtags.len().max(1) as f64
    }

    /// What the moment adds to a like's log-odds: hour of India's day, festival and tab.
    pub(crate) fn moment(&self, video: usize, hour_of_day: u8, festival: bool, tab: usize) -> f64 {
        let since_peak = (f64::from(hour_of_day) - 21.0) / 24.0;
        let mut moment = HOUR * libm::cos(std::f64::consts::TAU * since_peak) + TABS[tab].2;
        if festival {
            moment += FESTIVAL;
            if FESTIVE_TOPICS.contains(&self.videos[video].topic) {
                moment += FESTIVE_TOPIC;
            }
        }
        moment
    }
}

impl Tastes {
    fn draw(draws: &mut Draws) -> Self {
        let mut table = |groups: usize, spread: f64| -> Vec<[f64; TOPICS.len()]> {
            let mut row = || std::array::from_fn(|_| spread * draws.normal());
            (0..groups).map(|_| row()).collect()
        };
        Self {
            of_age: table(AGES.len(), OF_AGE),
            of_gender: table(GENDERS.len(), OF_GENDER),
            of_location: table(LOCATIONS.len(), OF_LOCATION),
        }
    }
}

fn draw_hashtags(count: usize, draws: &mut Draws) -> Vec<Hashtag> {
    let one = |number: usize| {
        let (name, topic) = match NAMED.get(number) {
            Some(&(name, topic)) => (name.to_owned(), topic),
            None => {
                let topic = draws.below(TOPICS.len());
                (format!("#{}{number}", TOPICS[topic]), topic)
            }
        };
        Hashtag {
            name,
            topic,
            quality: OF_HASHTAG * draws.normal(),
        }
    };
    (0..count).map(one).collect()
}

fn draw_videos(count: usize, hashtags: &[Hashtag], draws: &mut Draws) -> Vec<Video> {
    let authors = count.div_ceil(8);
    let author_quality: Vec<f64> = (0..authors).map(|_| OF_AUTHOR * draws.normal()).collect();
    let activity = Weighted::zipf(authors, 0.7);
    let popularity = Weighted::zipf(hashtags.len(), 0.9);
    let one = |_| {
        let first = popularity.draw(draws);
        let mut tags = vec![first];
        for _ in 0..draws.below(3) {
            // Hashtags come together within a topic: a few tries to find one of the same.
            let mut next = popularity.draw(draws);
            for _ in 0..6 {
                if hashtags[next].topic != hashtags[first].topic {
                    next = popularity.draw(draws);
                }
            }
            if !tags.contains(&next) {
                tags.push(next);
            }
        }
        let author = activity.draw(draws);
        let seconds = libm::exp(3.2 + 0.7 * draws.normal()).clamp(4.0, 300.0);
        Video {
            author,
            topic: hashtags[first].topic,
            hashtags: tags,
            duration_ms: u32::try_from(index(seconds * 1000.0)).unwrap_or(u32::MAX),
            upload: draws.below(UPLOADS.len()),
            quality: author_quality[author] + OF_VIDEO * draws.normal(),
        }
    };
    (0..count).map(one).collect()
}

fn draw_users(count: usize, draws: &mut Draws) -> Vec<User> {
    let location = Weighted::zipf(LOCATIONS.len(), 0.6);
    let age = Weighted::new([0.15, 0.35, 0.27, 0.14, 0.09]);
    let activity = Weighted::new([0.2, 0.3, 0.3, 0.2]);
    let one = |_| {
        let mut interests = Vec::new();
        for _ in 0..4 {
            let topic = draws.below(TOPICS.len());
            if !interests.contains(&topic) {
                interests.push(topic);
            }
        }
        User {
            location: location.draw(draws),
            age: age.draw(draws),
            gender: draws.below(GENDERS.len()),
            activity: activity.draw(draws),
            interests,
            days_registered: u32::try_from(index(libm::exp(5.0 + 1.2 * draws.normal())))
                .unwrap_or(0),
            readiness: OF_READINESS * draws.normal(),
        }
    };
    (0..count).map(one).collect()
}
