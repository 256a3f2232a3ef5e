//! What is kept in memory, by name: the most recently used last.

use std::sync::Arc;

/// Entries with their names. One that is used elsewhere (another `Arc` of it exists) is never removed to make room.
#[derive(Debug)]
pub(super) struct Kept<T>(Vec<(String, Arc<T>)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Kept<T> {
    /// The entry of this name, which becomes the most recently used.
    pub(super) fn get(&mut self, name: &str) -> Option<Arc<T>> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        let entry = self.0.remove(place);
        let found = Arc::clone(&entry.1);
        self.0.push(entry);
        Some(found)
    }

    /// Adds an entry as the most recently used. Replaces one of the same name.
    pub(super) fn put(&mut self, name: String, entry: Arc<T>) {
        self.remove(&name);
        self.0.push((name, entry));
    }

    /// Removes the least recently used entry that `is_free`; returns whether there was one.
    pub(super) fn remove_oldest(&mut self, is_free: impl Fn(&Arc<T>) -> bool) -> bool {
        let place = self.0.iter().position(|(_, entry)| is_free(entry));
        place.map(|place| self.0.remove(place)).is_some()
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<T>)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kept: &Kept<u8>) -> Vec<&str> {
        kept.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_least_recently_used_leaves_first_and_none_in_use() {
        let mut kept = Kept::default();
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            kept.put(name.to_owned(), Arc::new(number as u8));
        }
        let used = kept.get("a");
        assert_eq!((used.as_deref(), kept.len(), names(&kept)), (Some(&0), 3, vec!["b", "c", "a"]));
        let is_free = |entry: &Arc<u8>| Arc::strong_count(entry) == 1;
        assert!(kept.remove_oldest(is_free) && kept.remove_oldest(is_free));
        assert!(!kept.remove_oldest(is_free), "a is in use");
        assert_eq!(names(&kept), ["a"]);
        drop(used);
        assert!(kept.remove_oldest(is_free));
        assert!(kept.get("a").is_none());
    }

    #[test]
    fn a_name_is_there_once() {
        let mut kept = Kept::default();
        kept.put("a".to_owned(), Arc::new(1));
        kept.put("a".to_owned(), Arc::new(2));
        assert_eq!((kept.len(), kept.get("a").as_deref()), (1, Some(&2)));
        kept.remove("a");
        assert_eq!(kept.len(), 0);
    }
}
