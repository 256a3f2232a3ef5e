//! Addresses of object stores.

use std::{fmt, str::FromStr};

/// The scheme.
const S3: &str = "s3://";

/// Where the objects are: `s3://BUCKET/PREFIX`, or `s3://BUCKET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectUrl {
    bucket: String,
    /// Without slashes at its ends; may be empty.
    prefix: String,
}

impl ObjectUrl {
    /// Whether a text is meant as such an address.
    pub fn is_meant(text: &str) -> bool {
        text.get(..S3.len()).is_some_and(|start| start.eq_ignore_ascii_case(S3))
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The whole key of an object in the bucket.
    pub fn key(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// The name of the object with this whole key; none if it is not under the prefix.
    pub fn name<'a>(&self, key: &'a str) -> Option<&'a str> {
        match self.prefix.as_str() {
            "" => Some(key),
            prefix => key.strip_prefix(prefix)?.strip_prefix('/'),
        }
    }

    /// The address of an object, for messages.
    pub fn of(&self, name: &str) -> String {
        format!("{S3}{}/{}", self.bucket, self.key(name))
    }
}

impl FromStr for ObjectUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Self::is_meant(text) {
            return Err(format!("{text}: the address of an object store is s3://BUCKET/PREFIX"));
        }
        let (bucket, prefix) = text[S3.len()..].split_once('/').unwrap_or((&text[S3.len()..], ""));
        // AWS's rule for names of buckets. A user and a password in front of an `@` do not belong here.
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_allowed) {
            return Err("after s3:// comes the name of a bucket, 3 to 63 of a-z, 0-9, - and .; credentials are in \
                        AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned());
        }
        let prefix = prefix.trim_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !prefix.is_empty() && prefix.split('/').any(|part| !is_name(part) || !part.bytes().all(is_plain)) {
            return Err(format!(
                "{text}: the prefix consists of letters, digits, -, . and _, with / between its parts"
            ));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

fn is_name(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "{S3}{}", self.bucket),
            prefix => write!(f, "{S3}{}/{prefix}", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_a_prefix_are_an_address() {
        let of = |text: &str| text.parse::<ObjectUrl>();
        for (text, shown, key) in [
            ("s3://studio/a/b/", "s3://studio/a/b", "a/b/pictures/k"),
            ("s3://studio", "s3://studio", "pictures/k"),
            ("S3://studio/", "s3://studio", "pictures/k"),
        ] {
            let url = of(text).expect("an address");
            assert_eq!((url.to_string(), url.key("pictures/k")), (shown.to_owned(), key.to_owned()));
            assert_eq!(url.name(key), Some("pictures/k"));
        }
        assert_eq!(of("s3://studio/a").expect("an address").name("ab/c"), None);
        for refused in
            ["/srv/studio", "s3://", "s3:///a", "s3://ab/a", "s3://studio/a//b", "s3://studio/../b", "s3://studio/a b"]
        {
            assert!(of(refused).is_err(), "{refused}");
        }
        let secret = of("s3://KEY:SECRET@studio/a").expect_err("credentials");
        assert!(!secret.contains("SECRET/") && !secret.contains("KEY:"), "{secret}");
    }
}
