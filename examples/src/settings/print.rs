//! A settings file with comments, from the very texts of `--help`.

use std::fmt::Write as _;

use clap::{Arg, Args, Command};
use toml::{Table, Value};

use super::{EyesSettings, GateSettings, LearnerSettings, Settings, StreamSettings, layers};
use crate::cli::Failure;

const HEAD: &str = "\
# Settings of train, one for each of its flags; a flag counts before its key here.
# Paths are taken from the working directory. Nothing comes from the environment but the
# credentials of object stores.
";

/// The tables of the file and the flags that belong to each; what is in none stands above them.
fn sections() -> [(&'static str, Command); 4] {
    let of = |augment: fn(Command) -> Command| augment(Command::new("section"));
    [
        ("learner", of(LearnerSettings::augment_args)),
        ("stream", of(StreamSettings::augment_args)),
        ("gate", of(GateSettings::augment_args)),
        ("eyes", of(EyesSettings::augment_args)),
    ]
}

/// Writes every key: set ones with their value, others as a comment.
pub(super) fn file(settings: &Settings) -> Result<String, Failure> {
    let set = layers::table(settings)?;
    let sections = sections();
    let in_a_section = |arg: &Arg| {
        let named = |other: &Arg| other.get_id() == arg.get_id();
        sections
            .iter()
            .any(|(_, all)| all.get_arguments().any(named))
    };
    let mut text = HEAD.to_owned();
    let all = Settings::augment_args(Command::new("all"));
    for arg in all.get_arguments().filter(|arg| !in_a_section(arg)) {
        key(&mut text, arg, &set);
    }
    let none = Table::new();
    for (name, command) in &sections {
        let set = set.get(*name).and_then(Value::as_table).unwrap_or(&none);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[{name}]\n");
        for arg in command.get_arguments() {
            key(&mut text, arg, set);
        }
    }
    Ok(text)
}

/// The help of every flag with what it stands for when it is not given.
pub(super) fn describe_defaults(mut command: Command) -> Command {
    let Ok(defaults) = layers::table(&Settings::defaults()) else {
        return command;
    };
    let sections = defaults.values().filter_map(Value::as_table);
    let values = sections.chain([&defaults]).flatten();
    for (key, value) in values.filter(|(_, value)| !value.is_table()) {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        command = command.mut_arg(key, |arg| {
            let help = arg.get_help().map(ToString::to_string);
            arg.help(format!("{} [default: {value}]", help.unwrap_or_default()))
        });
    }
    command
}

fn key(text: &mut String, arg: &Arg, set: &Table) {
    let name = arg.get_id().as_str();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = match set.get(name) {
        Some(value) => write!(text, "\n# {help}\n{name} = {value}\n"),
        None => {
            let names = arg.get_value_names().and_then(<[_]>::first);
            let example = names.map_or("…", |name| name.as_str());
            write!(text, "\n# {help}\n# {name} = {example}\n")
        }
    };
}
