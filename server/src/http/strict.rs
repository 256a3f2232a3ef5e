//! Deserializes JSON as its schema says: an object for a struct, a string for an enum, and `512.0` as an integer. Serde's
//! derived code also accepts an array of the fields for a struct and `{"zip": null}` for `"zip"`, and rejects `512.0`.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use std::fmt;

/// The strict deserializer. It does not support enum variants with data, which no request has.
#[derive(Debug)]
pub struct Strict<D>(pub D);

macro_rules! forward {
    ($takes:expr => $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Reading { visitor, takes: $takes })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! { Takes::Integer =>
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward! { Takes::All =>
        deserialize_any deserialize_bool deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_unit deserialize_seq deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, Reading { visitor, takes: Takes::All })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Reading { visitor, takes: Takes::All })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, Reading { visitor, takes: Takes::All })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, Reading { visitor, takes: Takes::All })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Reading { visitor, takes: Takes::Object })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Name(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Forwards everything to `visitor`, and deserializes nested values strictly.
struct Reading<V> {
    visitor: V,
    takes: Takes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    All,
    Integer,
    Object,
}

/// 2^53: every integer up to here has an exact `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

macro_rules! hand_on {
    ($($method:ident: $of:ty,)*) => {$(
        fn $method<E: Error>(self, value: $of) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Reading<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    hand_on! {
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128,
        visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        let is_whole = self.takes == Takes::Integer && value.fract() == 0.0 && value.abs() <= EXACT;
        match is_whole {
            true if value < 0.0 => self.visitor.visit_i64(value as i64),
            true => self.visitor.visit_u64(value as u64),
            false => self.visitor.visit_f64(value),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        match self.takes {
            Takes::Object => Err(A::Error::invalid_type(Unexpected::Seq, &"an object")),
            Takes::All | Takes::Integer => self.visitor.visit_seq(Within(items)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Within(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(variant)
    }
}

/// Accepts an enum's variant as a string only.
struct Name<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }
}

/// Deserializes the values of an array or an object strictly.
struct Within<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Within<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Seed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

struct Seed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<Inner>,
        by_name: BTreeMap<String, Inner>,
        kind: Option<Kind>,
        pair: Option<(u8, u8)>,
        id: Option<Id>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Zip,
        Gif,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(i64);

    fn read(text: &str) -> Result<Outer, serde_json::Error> {
        Outer::deserialize(Strict(&mut serde_json::Deserializer::from_str(text)))
    }

    #[test]
    fn what_the_schema_has_is_read_as_ever() {
        let text = r#"{"inner":{"a":1},"list":[{"a":2}],"by_name":{"x":{"a":3}},"kind":"zip","pair":[4,5],"id":6}"#;
        let plain: Outer = serde_json::from_str(text).expect("JSON");
        assert_eq!(read(text).expect("JSON"), plain);
        assert_eq!(plain.kind, Some(Kind::Zip));
        assert_eq!(read(r#"{"inner":null,"kind":null}"#).expect("JSON"), Outer::default());
        assert_eq!(read(r#"{"kind":"\u0067if"}"#).expect("JSON").kind, Some(Kind::Gif));
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let id = |text: &str| read(&format!("{{\"id\":{text}}}")).map(|outer| outer.id);
        assert_eq!(id("7.0").expect("whole"), Some(Id(7)));
        assert_eq!(id("-7e2").expect("whole"), Some(Id(-700)));
        assert_eq!(id("9007199254740993").expect("an integer stays one"), Some(Id(9_007_199_254_740_993)));
        for text in ["7.5", "1e300", "-1e19", "\"7\""] {
            id(text).expect_err(text);
        }
        read(r#"{"inner":{"a":256.0}}"#).expect_err("past a byte");
    }

    #[test]
    fn an_array_is_no_object_and_an_object_no_name_at_any_depth() {
        for text in [
            "[]",
            "[null,[],{},null,null,null]",
            r#"{"inner":[1]}"#,
            r#"{"list":[[1]]}"#,
            r#"{"by_name":{"x":[1]}}"#,
            r#"{"kind":{"zip":null}}"#,
            r#"{"kind":["zip"]}"#,
            r#"{"kind":0}"#,
        ] {
            assert!(serde_json::from_str::<Outer>(text).is_ok() || text.contains("kind"), "{text}: serde takes it");
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("invalid type"), "{text}: {error}");
        }
    }
}
