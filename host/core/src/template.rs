//! Templates for keys, groups and deduplication ids: `{entity_id}-{task_name}`.

use std::fmt;

use crate::message::Message;
use crate::output::Output;

/// A parsed template. A doubled brace is a literal brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Attribute(Box<str>),
    Id,
    OutputId,
    Source,
    Key,
    Header(Box<str>),
}

/// The reason why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A brace without its partner.
    #[error("unbalanced brace in `{0}`; write a literal brace twice: `{{{{`")]
    Unbalanced(String),
    /// `{}` names nothing.
    #[error("`{0}` has an empty name between braces")]
    EmptyName(String),
    /// No attribute, header or fixed name matches.
    #[error("neither output nor message has an attribute `{0}`")]
    Missing(Box<str>),
    /// The key or header is not text.
    #[error("`{0}` is not text")]
    NotText(Box<str>),
}

/// The sources of a template's names.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The output that the template is filled in for.
    pub output: &'a Output,
    /// The message that the output belongs to.
    pub message: &'a Message,
    /// The id of the output.
    pub output_id: &'a str,
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// When braces do not match or a name is empty.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if rest.starts_with(brace) {
                literal.push_str(brace);
                rest = &rest[1..];
                continue;
            }
            let name = match (brace, rest.find(['{', '}'])) {
                ("{", Some(end)) if rest[end..].starts_with('}') => &rest[..end],
                _ => return Err(Error::Unbalanced(text.to_owned())),
            };
            rest = &rest[name.len() + 1..];
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(Part::named(name.trim()).ok_or_else(|| Error::EmptyName(text.to_owned()))?);
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self(parts))
    }

    /// The template with its names filled in: from the output's attributes, then the message's, then the fixed names.
    ///
    /// # Errors
    /// When a name is missing or is no text.
    pub fn fill(&self, scope: Scope<'_>) -> Result<String, Error> {
        let mut filled = String::new();
        for part in &self.0 {
            filled.push_str(part.value(scope)?);
        }
        Ok(filled)
    }

    /// Names that only a message can supply: attributes and headers, as written.
    pub fn open_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Attribute(name) | Part::Header(name) => Some(&**name),
            _ => None,
        })
    }
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" => return None,
            "id" => Self::Id,
            "output_id" => Self::OutputId,
            "source" => Self::Source,
            "key" => Self::Key,
            _ => match name.strip_prefix("header:") {
                Some("") => return None,
                Some(header) => Self::Header(header.into()),
                None => Self::Attribute(name.into()),
            },
        })
    }

    fn value<'a>(&'a self, scope: Scope<'a>) -> Result<&'a str, Error> {
        let attribute = |name: &str| {
            let of_output = scope.output.attributes.iter().find(|(key, _)| &**key == name);
            of_output.map(|(_, value)| &**value).or_else(|| scope.message.attribute(name))
        };
        let fixed = match self {
            Self::Text(text) => return Ok(text),
            Self::Attribute(name) => return attribute(name).ok_or_else(|| Error::Missing(name.clone())),
            Self::Header(name) => {
                let found = scope.output.headers.text(name);
                let found = found.or_else(|| scope.message.record.text_header(name));
                return found.ok_or_else(|| Error::Missing(format!("header:{name}").into()));
            }
            Self::Id => "id",
            Self::OutputId => "output_id",
            Self::Source => "source",
            Self::Key => "key",
        };
        // An attribute with the same name takes precedence.
        if let Some(value) = attribute(fixed) {
            return Ok(value);
        }
        match self {
            Self::Id => Ok(&scope.message.id),
            Self::OutputId => Ok(scope.output_id),
            Self::Source => Ok(&scope.message.record.source),
            _ => {
                let key = scope.output.key.as_ref().or(scope.message.record.key.as_ref());
                let key = key.ok_or_else(|| Error::Missing("key".into()))?;
                std::str::from_utf8(key).map_err(|_| Error::NotText("key".into()))
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Attribute(name) => write!(f, "{{{name}}}")?,
                Part::Id => f.write_str("{id}")?,
                Part::OutputId => f.write_str("{output_id}")?,
                Part::Source => f.write_str("{source}")?,
                Part::Key => f.write_str("{key}")?,
                Part::Header(name) => write!(f, "{{header:{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
