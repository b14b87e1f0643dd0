//! What every scalar of the tree is: `serde_yaml` walks the same text beside it.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::syntax::not_yaml;
use super::{Kind, Node, Value};
use crate::config::diagnostic::Findings;
use crate::config::source::{File, Span};

/// Has `serde_yaml` say what every scalar is.
pub(super) fn understand(root: &mut Node, file: File, text: &str, out: &Findings) -> Option<()> {
    if root.is_empty() {
        return Some(());
    }
    let mut differs = None;
    let seed = Understand { node: root, differs: &mut differs };
    match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(()) => Some(()),
        Err(error) => {
            if let Some(span) = differs {
                let hint = "write it in quotes".to_owned();
                out.hint(span, "this can be read in two ways", hint);
            } else {
                let at = error.location().map_or((1, 1), |at| (at.line(), at.column()));
                not_yaml(file, text, at, &error.to_string(), out);
            }
            None
        }
    }
}

/// One node on its way to being understood.
struct Understand<'a> {
    node: &'a mut Node,
    /// Where the two readers differ.
    differs: &'a mut Option<Span>,
}

impl Understand<'_> {
    fn differ<E: de::Error>(self) -> E {
        self.differs.get_or_insert(self.node.span);
        E::custom("read differently")
    }

    fn is<E: de::Error>(self, kind: Kind, text: Option<&str>) -> Result<(), E> {
        match &mut self.node.value {
            Value::Scalar(scalar) if text.is_none_or(|text| text == scalar.text) => {
                scalar.kind = kind;
                Ok(())
            }
            _ => Err(self.differ()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Understand<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Understand<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.is(Kind::Nothing, None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.is(Kind::Bool(value), None)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.is(Kind::Integer(i64::try_from(value).unwrap_or(i64::MAX)), None)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.is(Kind::Integer(value), None)
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<(), E> {
        let nearest = if value < 0 { i64::MIN } else { i64::MAX };
        self.is(Kind::Integer(i64::try_from(value).unwrap_or(nearest)), None)
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<(), E> {
        self.is(Kind::Integer(i64::try_from(value).unwrap_or(i64::MAX)), None)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.is(Kind::Float(value), None)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.is(Kind::Text, Some(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { node, differs } = self;
        let Value::List(list) = &mut node.value else {
            return Err(Understand { node, differs }.differ());
        };
        for item in list {
            let span = item.span;
            if seq.next_element_seed(Understand { node: item, differs: &mut *differs })?.is_none() {
                differs.get_or_insert(span);
                return Err(de::Error::custom("read differently"));
            }
        }
        end(seq.next_element::<IgnoredAny>()?.is_none(), node.span, differs)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { node, differs } = self;
        let Value::Map(entries) = &mut node.value else {
            return Err(Understand { node, differs }.differ());
        };
        for (key, value) in entries {
            // Every key is a word, also one that could be a number.
            if map.next_key::<IgnoredAny>()?.is_none() {
                differs.get_or_insert(key.span);
                return Err(de::Error::custom("read differently"));
            }
            map.next_value_seed(Understand { node: value, differs: &mut *differs })?;
        }
        end(map.next_key::<IgnoredAny>()?.is_none(), node.span, differs)
    }
}

/// Whether both readers see the end of a list or map here.
fn end<E: de::Error>(is_end: bool, span: Span, differs: &mut Option<Span>) -> Result<(), E> {
    if is_end {
        return Ok(());
    }
    differs.get_or_insert(span);
    Err(E::custom("read differently"))
}
