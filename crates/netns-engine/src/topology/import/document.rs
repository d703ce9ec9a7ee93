//! A topology file in the making, and its text as a person would write it: short things on one line.

use serde::{Serialize, Serializer, ser::SerializeMap};

/// A topology file written for what is there.
///
/// As text it is YAML, with a comment for what a topology file has no words for. Serialised, it is the
/// same document without the comments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    pub(super) body: Map,
    /// What is there and not in the file, each with the object it is about.
    pub not_expressed: Vec<String>,
}

/// A map in the order it is written.
pub(super) type Map = Vec<(String, Value)>;

/// A value of YAML or JSON, as far as the file needs them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Nothing,
    True,
    Number(i64),
    Text(String),
    List(Vec<Value>),
    Map(Map),
}

impl Value {
    pub(super) fn text(text: &(impl ToString + ?Sized)) -> Self {
        Self::Text(text.to_string())
    }

    /// One as itself, several as a list, none as nothing.
    pub(super) fn one_or_many(texts: impl IntoIterator<Item = impl ToString>) -> Option<Self> {
        let mut values: Vec<_> = texts.into_iter().map(|text| Self::text(&text)).collect();
        if values.len() > 1 { Some(Self::List(values)) } else { values.pop() }
    }

    pub(super) fn list(texts: impl IntoIterator<Item = impl ToString>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::text(&text)).collect())
    }

    /// A map of what is there; nothing if that is nothing.
    pub(super) fn map<const N: usize>(entries: [(&str, Option<Self>); N]) -> Self {
        let there = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let map: Map = there.collect();
        if map.is_empty() { Self::Nothing } else { Self::Map(map) }
    }
}

impl Document {
    /// Returns the file.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let remarks = self.not_expressed.iter().map(|remark| format!("# not expressed: {remark}"));
        let lines = remarks.chain(self.body.iter().flat_map(|(key, value)| entry(0, key, value)));
        lines.flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

/// The lines of an entry of a map: one if it fits, but for the lists and maps at the top.
fn entry(indent: usize, key: &str, value: &Value) -> Vec<String> {
    const WIDTH: usize = 100;
    let start = format!("{:indent$}{}:", "", scalar(key));
    let on_one_line = format!("{start} {}", flow(value));
    let is_short = indent > 0 && on_one_line.len() <= WIDTH;
    match value {
        Value::Nothing => vec![start],
        Value::Map(map) if !is_short => {
            let entries = map.iter().flat_map(|(key, value)| entry(indent + 2, key, value));
            std::iter::once(start).chain(entries).collect()
        }
        Value::List(items) if !is_short => {
            let items = items.iter().map(|item| format!("{:indent$}  - {}", "", flow(item)));
            std::iter::once(start).chain(items).collect()
        }
        _ => vec![on_one_line],
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Nothing => "{}".to_owned(),
        Value::True => "true".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => scalar(text),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Text, in quotes wherever YAML could take it for something else.
fn scalar(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    let looks_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(harmless);
    if looks_plain && !is_a_word_of_yaml(text) && !is_like_a_number(text) {
        return text.to_owned();
    }
    // A JSON text is one of YAML, too.
    serde_json::Value::from(text).to_string()
}

fn is_a_word_of_yaml(text: &str) -> bool {
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// `1e3`, `0x1f`, `0o17`, `1_000`, and in YAML 1.1 also `0b1`.
fn is_like_a_number(text: &str) -> bool {
    let digits = text.replace('_', "");
    let has_base = ["0x", "0o", "0b"].iter().any(|base| digits.to_ascii_lowercase().starts_with(base));
    has_base || digits.parse::<f64>().is_ok()
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(&self.body, serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::True => serializer.serialize_bool(true),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(map) => serialize_map(map, serializer),
        }
    }
}

fn serialize_map<S: Serializer>(map: &Map, serializer: S) -> Result<S::Ok, S::Error> {
    let mut written = serializer.serialize_map(Some(map.len()))?;
    for (key, value) in map {
        written.serialize_entry(key, value)?;
    }
    written.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_where_yaml_could_mistake_it() {
        for plain in ["red", "veth-ns1", "10.0.0.2", "10.0.0.0/24", "ns.1_a"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in ["8080:80", "fd00::1", "true", "No", "1e3", "0x1f", "12", "1_0", "", "-a", "a b", "inf"]
        {
            assert_eq!(scalar(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn what_fits_stands_on_one_line() {
        let node = Value::map([
            ("networks", Some(Value::list(["br0"]))),
            ("forwarding", Some(Value::True)),
            ("mtu", None),
        ]);
        let nodes = Value::Map(vec![("ns1".to_owned(), node), ("ns2".to_owned(), Value::Nothing)]);
        let body = vec![("name".to_owned(), Value::text("lab")), ("nodes".to_owned(), nodes)];
        let document = Document { body, not_expressed: vec!["link 'x'".to_owned()] };
        let yaml = "# not expressed: link 'x'\nname: lab\nnodes:\n  \
                    ns1: { networks: [br0], forwarding: true }\n  ns2:\n";
        assert_eq!(document.to_yaml(), yaml);
    }
}
