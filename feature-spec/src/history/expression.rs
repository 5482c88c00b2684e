//! Small arithmetic expressions over the fields of a play.
//!
//! ```text
//! or      := and ("or" and)*
//! and     := not ("and" not)*
//! not     := "not" not | compare
//! compare := sum (("==" | "!=" | "<" | "<=" | ">" | ">=") sum)?
//! sum     := product (("+" | "-") product)*
//! product := unary (("*" | "/") unary)*
//! unary   := "-" unary | number | field | ("min" | "max") "(" or "," or ")" | "(" or ")"
//! ```
//!
//! Truth is 1 and 0; any number but 0 is true. A field that a play does not have makes a
//! comparison false and a sum or product missing; a metric that is missing counts 0.

use super::HistoryError;

/// Deepest nesting of an expression; a bound on the recursion that outside text can cause.
const MAX_DEPTH: usize = 64;
/// Longest expression, in bytes.
const MAX_LENGTH: usize = 4_096;

/// A compiled expression; fields are indices into the list it was compiled with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Field(usize),
    Negate(Box<Self>),
    Not(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
}

impl Expression {
    /// Compiles `text`, adding the fields it names to `fields`.
    pub(super) fn parse(
        metric: &str,
        text: &str,
        fields: &mut Vec<String>,
    ) -> Result<Self, HistoryError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            fields,
        };
        let parsed = if text.len() > MAX_LENGTH {
            Err(format!("longer than {MAX_LENGTH} bytes"))
        } else {
            parser.or().and_then(|expression| match parser.peek() {
                None => Ok(expression),
                Some(c) => Err(format!("unexpected {c:?}")),
            })
        };
        parsed.map_err(|reason| HistoryError::Expression {
            metric: metric.to_owned(),
            expression: text.chars().take(200).collect(),
            column: text.get(..parser.at).map_or(0, |t| t.chars().count()) + 1,
            reason,
        })
    }

    /// Evaluates on the fields of a play; `None` when a field that matters is missing.
    pub(super) fn evaluate(&self, fields: &[Option<f64>]) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Field(index) => fields.get(*index).copied().flatten(),
            Self::Negate(inner) => Some(-inner.evaluate(fields)?),
            Self::Not(inner) => Some(truth(!is_true(inner.evaluate(fields)))),
            Self::Binary(operator, left, right) => {
                operator.apply(left.evaluate(fields), || right.evaluate(fields))
            }
        }
    }
}

impl Operator {
    #[allow(clippy::float_cmp)] // `==` in an expression means exactly equal
    fn apply(self, left: Option<f64>, right: impl FnOnce() -> Option<f64>) -> Option<f64> {
        match self {
            Self::Or => return Some(truth(is_true(left) || is_true(right()))),
            Self::And => return Some(truth(is_true(left) && is_true(right()))),
            _ => {}
        }
        let compares = matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
        );
        let (Some(left), Some(right)) = (left, right()) else {
            return compares.then_some(0.0);
        };
        Some(match self {
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Min => left.min(right),
            Self::Max => left.max(right),
            Self::Or | Self::And => return None,
        })
    }
}

fn is_true(value: Option<f64>) -> bool {
    value.is_some_and(|v| v != 0.0 && !v.is_nan())
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

struct Parser<'t, 'f> {
    text: &'t str,
    at: usize,
    depth: usize,
    fields: &'f mut Vec<String>,
}

impl Parser<'_, '_> {
    fn or(&mut self) -> Result<Expression, String> {
        self.nested(|p| {
            let mut left = p.and()?;
            while p.take_word("or") {
                left = binary(Operator::Or, left, p.and()?);
            }
            Ok(left)
        })
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.not()?;
        while self.take_word("and") {
            left = binary(Operator::And, left, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, String> {
        if self.take_word("not") {
            return self.nested(|p| Ok(Expression::Not(Box::new(p.not()?))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expression, String> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let left = self.sum()?;
        for (symbol, operator) in OPERATORS {
            if self.take_symbol(symbol) {
                return Ok(binary(operator, left, self.sum()?));
            }
        }
        if self.peek() == Some('=') {
            return Err("`=` is not an operator; equality is `==`".to_owned());
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            if self.take_symbol("+") {
                left = binary(Operator::Add, left, self.product()?);
            } else if self.take_symbol("-") {
                left = binary(Operator::Subtract, left, self.product()?);
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.unary()?;
        loop {
            if self.take_symbol("*") {
                left = binary(Operator::Multiply, left, self.unary()?);
            } else if self.take_symbol("/") {
                left = binary(Operator::Divide, left, self.unary()?);
            } else {
                return Ok(left);
            }
        }
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.take_symbol("-") {
            return self.nested(|p| Ok(Expression::Negate(Box::new(p.unary()?))));
        }
        if self.take_symbol("(") {
            let inner = self.or()?;
            return self.expect(")").map(|()| inner);
        }
        match self.peek() {
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word(),
            Some(c) => Err(format!("expected a number, a field or `(`, found {c:?}")),
            None => Err("expected a number, a field or `(`, found the end".to_owned()),
        }
    }

    fn number(&mut self) -> Result<Expression, String> {
        let rest = &self.text[self.at..];
        let mut length = 0;
        for (i, byte) in rest.bytes().enumerate() {
            let sign_of_exponent =
                matches!(byte, b'+' | b'-') && matches!(rest.as_bytes()[i - 1], b'e' | b'E');
            if !(byte.is_ascii_digit()
                || matches!(byte, b'.' | b'_' | b'e' | b'E')
                || sign_of_exponent)
            {
                break;
            }
            length = i + 1;
        }
        let digits = rest[..length].replace('_', "");
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.at += length;
                Ok(Expression::Number(value))
            }
            _ => Err(format!("{:?} is not a number", &rest[..length])),
        }
    }

    fn word(&mut self) -> Result<Expression, String> {
        let word = self.peek_word().to_owned();
        let start = self.at;
        self.at += word.len();
        match word.as_str() {
            "and" | "or" | "not" => {
                self.at = start;
                Err(format!("expected a number, a field or `(`, found `{word}`"))
            }
            "min" | "max" if self.take_symbol("(") => {
                let left = self.or()?;
                self.expect(",")?;
                let right = self.or()?;
                self.expect(")")?;
                let operator = if word == "min" {
                    Operator::Min
                } else {
                    Operator::Max
                };
                Ok(binary(operator, left, right))
            }
            _ => {
                let known = self.fields.iter().position(|f| *f == word);
                Ok(Expression::Field(known.unwrap_or_else(|| {
                    self.fields.push(word);
                    self.fields.len() - 1
                })))
            }
        }
    }

    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn peek_word(&mut self) -> &str {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        self.peek();
        let found = self.text[self.at..].starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        match self.peek() {
            Some(c) => Err(format!("expected `{symbol}`, found {c:?}")),
            None => Err(format!("expected `{symbol}`, found the end")),
        }
    }
}

fn binary(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}
