//! The events of a request's body: one object, an array of them, or JSON Lines.

use super::error::Problem;

/// How the events of a request are written; the answer has the same shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Events<'a> {
    /// One JSON object.
    One(&'a [u8]),
    /// A JSON array.
    Array(Vec<&'a [u8]>),
    /// An object a line.
    Lines(Vec<&'a [u8]>),
}

impl<'a> Events<'a> {
    /// Cuts a body into the texts of its events, which are not read yet: a broken one spoils its
    /// own answer alone, as long as its braces and quotes are closed.
    ///
    /// # Errors
    ///
    /// The body is empty or neither object nor array, an array is not closed, or there are more
    /// than `limit` events.
    pub(super) fn cut(body: &'a [u8], limit: usize) -> Result<Self, Problem> {
        let body = body.trim_ascii();
        match body.first() {
            None => Err(Problem::not_json("the body is empty")),
            Some(b'[') => array(body, limit).map(Self::Array),
            Some(b'{') if is_one(body) => Ok(Self::One(body)),
            Some(b'{') => lines(body, limit).map(Self::Lines),
            Some(_) => Err(Problem::not_json(
                "not JSON: the body begins with neither `{` nor `[`",
            )),
        }
    }
}

/// Whether the text that begins with `{` is a single object, perhaps over several lines.
fn is_one(text: &[u8]) -> bool {
    let Some(line_end) = memchr::memchr(b'\n', text) else {
        return true;
    };
    let mut depth = Depth::default();
    let end = text.iter().position(|&byte| depth.closes(byte));
    // An object whose end is on the first line is followed by others; one that has no end is left
    // to the reader of events to explain, as one object or line by line.
    match end {
        Some(end) => end + 1 == text.len(),
        None => !text[line_end..].trim_ascii_start().starts_with(b"{"),
    }
}

fn lines(text: &[u8], limit: usize) -> Result<Vec<&[u8]>, Problem> {
    let lines = text
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    bounded(lines.map(Ok), limit)
}

/// The elements of an array, cut at the commas between them.
fn array(text: &[u8], limit: usize) -> Result<Vec<&[u8]>, Problem> {
    let mut depth = Depth::default();
    let close = text
        .iter()
        .position(|&byte| depth.closes(byte))
        .ok_or_else(|| Problem::not_json("not JSON: the array is not closed"))?;
    if close + 1 != text.len() {
        return Err(Problem::not_json("not JSON: text after the array"));
    }
    let inside = &text[1..close];
    if inside.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let mut depth = Depth::default();
    let elements = inside.split(move |&byte| depth.separates(byte));
    bounded(
        elements.map(|element| match element.trim_ascii() {
            [] => Err(Problem::not_json("not JSON: an element is missing")),
            element => Ok(element),
        }),
        limit,
    )
}

fn bounded<'a>(
    events: impl Iterator<Item = Result<&'a [u8], Problem>>,
    limit: usize,
) -> Result<Vec<&'a [u8]>, Problem> {
    let events: Vec<_> = events.take(limit + 1).collect::<Result<_, _>>()?;
    if events.len() > limit {
        return Err(Problem::too_many(events.len(), limit));
    }
    Ok(events)
}

/// How deep within brackets a text is, outside of its strings.
#[derive(Debug, Default)]
struct Depth {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Depth {
    /// Takes a byte; whether it closes the outermost bracket.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// Takes a byte; whether it is a comma outside of all brackets.
    fn separates(&mut self, byte: u8) -> bool {
        let outside = self.depth == 0 && !self.in_string;
        self.closes(byte);
        outside && byte == b','
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts<'a>(events: &[&'a [u8]]) -> Vec<&'a str> {
        events
            .iter()
            .map(|event| str::from_utf8(event).unwrap())
            .collect()
    }

    fn cut(body: &str) -> Result<Vec<&str>, String> {
        match Events::cut(body.as_bytes(), 3) {
            Ok(Events::One(event)) => Ok(texts(&[event])),
            Ok(Events::Array(events) | Events::Lines(events)) => Ok(texts(&events)),
            Err(problem) => Err(problem.error),
        }
    }

    #[test]
    fn an_object_an_array_and_lines_are_told_apart() {
        let one = br#" {"a": "}\"{", "b": [1, {}]} "#;
        assert_eq!(Events::cut(one, 1), Ok(Events::One(one.trim_ascii())));
        let pretty = b"{\n \"a\": [\n{\"b\":\n1}]\n}\n";
        assert_eq!(Events::cut(pretty, 1), Ok(Events::One(pretty.trim_ascii())));
        let lines = b"{\"a\":1}\n\n{\"b\":2}\r\n";
        assert_eq!(
            Events::cut(lines, 2),
            Ok(Events::Lines(vec![b"{\"a\":1}", b"{\"b\":2}"]))
        );
        let array = br#"[{"a":"],["} , {"b":[1,2]},3]"#;
        assert_eq!(
            Events::cut(array, 3),
            Ok(Events::Array(vec![
                br#"{"a":"],["}"#,
                br#"{"b":[1,2]}"#,
                b"3"
            ]))
        );
        assert_eq!(Events::cut(b"[ ]", 3), Ok(Events::Array(vec![])));
    }

    #[test]
    fn a_broken_line_or_object_is_left_to_the_reader_of_events() {
        assert_eq!(cut("{\"a\":1"), Ok(vec!["{\"a\":1"]));
        assert_eq!(cut("{\"a\":\n1"), Ok(vec!["{\"a\":\n1"]));
        assert_eq!(cut("{\"a\":\n{\"b\":1}"), Ok(vec!["{\"a\":", "{\"b\":1}"]));
        assert_eq!(cut("{}}\n{}"), Ok(vec!["{}}", "{}"]));
    }

    proptest! {
        #[test]
        fn an_array_and_lines_are_cut_into_what_was_joined(
            events in prop::collection::vec(object(), 2..20),
            space in "[ \t\r]{0,2}",
        ) {
            let texts: Vec<String> = events.iter().map(ToString::to_string).collect();
            let expected: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let array = format!("[{space}{}{space}]\n", texts.join(&format!("{space},\n")));
            prop_assert_eq!(Events::cut(array.as_bytes(), 20), Ok(Events::Array(expected.clone())));
            let lines = texts.join(&format!("{space}\n"));
            prop_assert_eq!(Events::cut(lines.as_bytes(), 20), Ok(Events::Lines(expected)));
            prop_assert_eq!(
                Events::cut(texts[0].as_bytes(), 1),
                Ok(Events::One(texts[0].as_bytes()))
            );
            let pretty = format!("{:#}\n", events[0]);
            prop_assert_eq!(
                Events::cut(pretty.as_bytes(), 1),
                Ok(Events::One(pretty.trim().as_bytes()))
            );
        }

        #[test]
        fn no_body_panics_and_none_yields_more_than_the_limit(
            body in r#"[\[\]{}",:\\a \n]{0,60}"#,
            limit in 0_usize..5,
        ) {
            let found = match Events::cut(body.as_bytes(), limit) {
                Ok(Events::One(_)) => 0,
                Ok(Events::Array(events) | Events::Lines(events)) => events.len(),
                Err(problem) => {
                    prop_assert!(!problem.error.is_empty());
                    0
                }
            };
            prop_assert!(found <= limit);
        }
    }

    /// Objects whose strings hold what structure is made of.
    fn object() -> impl Strategy<Value = serde_json::Value> {
        let text = r#"[\[\]{}",\\a\n]{0,6}"#;
        let leaf = prop_oneof![
            any::<i32>().prop_map(serde_json::Value::from),
            text.prop_map(serde_json::Value::from),
        ];
        let value = leaf.prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        });
        prop::collection::btree_map(text, value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    #[test]
    fn what_holds_no_events_is_refused() {
        let refused = [
            ("", "the body is empty"),
            (" \n", "the body is empty"),
            ("null", "not JSON: the body begins with neither `{` nor `[`"),
            ("[{}", "not JSON: the array is not closed"),
            ("[\"]", "not JSON: the array is not closed"),
            ("[{}] {}", "not JSON: text after the array"),
            ("[{},,{}]", "not JSON: an element is missing"),
            ("[{},]", "not JSON: an element is missing"),
            ("[1,2,3,4]", "4 events or more, a request may hold 3"),
            ("{}\n{}\n{}\n{}", "4 events or more, a request may hold 3"),
        ];
        for (body, error) in refused {
            assert_eq!(cut(body), Err(error.to_owned()), "{body}");
        }
    }
}
