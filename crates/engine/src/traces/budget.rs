//! The space that traces may take.

use crate::media::{Media, TraceFile};
use protocol::{ProjectId, Settings, TraceLevel};
use std::{
    collections::{HashMap, HashSet},
    io,
    pin::Pin,
    time::{Duration, UNIX_EPOCH},
};
use store::{ListedTrace, Store, StoreError, TraceKind};

/// What is kept of how pictures form, and how much space it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// What is kept.
    pub level: TraceLevel,
    /// Most bytes for the trace of a take.
    pub take_bytes: u64,
    /// Most bytes for the traces of a project.
    pub project_bytes: u64,
    /// Most bytes for all traces.
    pub total_bytes: u64,
}

impl From<&Settings> for TraceLimits {
    fn from(settings: &Settings) -> Self {
        let bytes = |mib: u32| u64::from(mib) << 20;
        Self {
            level: settings.trace,
            take_bytes: bytes(settings.trace_take_mib),
            project_bytes: bytes(settings.trace_project_mib),
            total_bytes: bytes(settings.trace_total_mib),
        }
    }
}

/// Reads what is kept of how pictures form: settings of the user's, which any server may change. None while they cannot be read.
pub type ReadTraceLimits = fn(Store) -> Pin<Box<dyn Future<Output = Option<TraceLimits>> + Send>>;

/// Why old traces could not be removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BudgetError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the folder of traces cannot be read or changed: {0}")]
    Folder(#[from] io::Error),
}

/// The traces from the oldest to the newest, those that stay, and the bytes of the saved states. States are of pictures that are not
/// finished: they count, and stay.
struct Listed {
    traces: Vec<TraceFile>,
    projects: HashMap<String, ProjectId>,
    stay: HashSet<String>,
    states: u64,
}

impl Listed {
    /// None if the files are within the limits.
    async fn of_files(media: &Media, store: &Store, limits: TraceLimits) -> Result<Option<Self>, BudgetError> {
        let listing = media.list_traces()?;
        let (mut traces, stay) = (listing.traces, HashSet::new());
        let states = listing.states.iter().map(|state| state.bytes).sum();
        let total: u64 = traces.iter().map(|trace| trace.bytes).sum();
        // No project has more than all together, so in most cases the database need not be asked.
        if total <= limits.total_bytes.saturating_sub(states).min(limits.project_bytes) {
            return Ok(None);
        }
        traces.sort_by(|a, b| (a.modified, &a.key).cmp(&(b.modified, &b.key)));
        let projects = store.take_projects().await?.into_iter().collect();
        Ok(Some(Self { traces, projects, stay, states }))
    }

    /// None if the objects are within the limits. The traces of pictures that are not finished stay.
    async fn of_objects(store: &Store, limits: TraceLimits) -> Result<Option<Self>, BudgetError> {
        if store.trace_object_bytes().await? <= limits.total_bytes.min(limits.project_bytes) {
            return Ok(None);
        }
        let (mut traces, mut projects, mut stay) = (Vec::new(), HashMap::new(), HashSet::new());
        let mut states = 0;
        for ListedTrace { of, created_at, project, is_finished } in store.list_trace_objects().await? {
            if of.kind == TraceKind::State {
                states += of.bytes;
                continue;
            }
            if !is_finished {
                stay.insert(of.key.clone());
            }
            projects.insert(of.key.clone(), project);
            let modified = UNIX_EPOCH + Duration::from_millis(u64::try_from(created_at).unwrap_or_default());
            traces.push(TraceFile { key: of.key, bytes: of.bytes, modified });
        }
        Ok(Some(Self { traces, projects, stay, states }))
    }
}

/// Removes the oldest traces until the others keep to the limits. Those of running tasks, `in_use`, and pinned ones stay.
pub(crate) async fn remove_oldest(
    media: &Media,
    store: &Store,
    limits: TraceLimits,
    in_use: HashSet<String>,
) -> Result<(), BudgetError> {
    let listed = match media.pictures() {
        None => Listed::of_files(media, store, limits).await?,
        Some(_) => Listed::of_objects(store, limits).await?,
    };
    let Some(Listed { traces, projects, stay, states }) = listed else { return Ok(()) };
    let limits = TraceLimits { total_bytes: limits.total_bytes.saturating_sub(states), ..limits };
    // Read last: one that was pinned a moment ago stays.
    let stay = store.pinned_traces().await?.into_iter().chain(in_use).chain(stay).collect();
    for key in surplus(&traces, &projects, limits, &stay) {
        match media.pictures() {
            None => media.remove_trace(key)?,
            Some(_) => media.forget_trace_object(key, TraceKind::Trace).await?,
        }
    }
    Ok(())
}

/// The keys of the traces to remove, of `traces` from the oldest to the newest, without those that `stay`.
fn surplus<'a>(
    traces: &'a [TraceFile],
    projects: &HashMap<String, ProjectId>,
    limits: TraceLimits,
    stay: &HashSet<String>,
) -> Vec<&'a str> {
    let (mut total, mut of_projects) = (0, HashMap::<_, u64>::new());
    for trace in traces {
        total += trace.bytes;
        *of_projects.entry(projects.get(&trace.key)).or_default() += trace.bytes;
    }
    let mut surplus = Vec::new();
    for trace in traces.iter().filter(|trace| !stay.contains(&trace.key)) {
        let Some(of_project) = of_projects.get_mut(&projects.get(&trace.key)) else { continue };
        if total > limits.total_bytes || *of_project > limits.project_bytes {
            total -= trace.bytes;
            *of_project -= trace.bytes;
            surplus.push(trace.key.as_str());
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    const LIMITS: TraceLimits =
        TraceLimits { level: TraceLevel::All, take_bytes: 100, project_bytes: 30, total_bytes: 50 };

    fn traces(sizes: &[(&str, u64)]) -> Vec<TraceFile> {
        let file = |(age, (key, bytes)): (u64, &(&str, u64))| {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            TraceFile { key: (*key).to_owned(), bytes: *bytes, modified }
        };
        (0..).zip(sizes).map(file).collect()
    }

    fn removed(sizes: &[(&str, u64)], stay: &[&str]) -> Vec<String> {
        // The first character of a key is its project; "x" has no row.
        let project = |key: &str| key.chars().next().and_then(|c| c.to_digit(10)).map(i64::from).map(ProjectId);
        let projects = sizes.iter().filter_map(|(key, _)| Some(((*key).to_owned(), project(key)?))).collect();
        let stay = stay.iter().map(|key| (*key).to_owned()).collect();
        surplus(&traces(sizes), &projects, LIMITS, &stay).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_oldest_of_a_project_go_first_and_only_as_many_as_needed() {
        assert_eq!(removed(&[("1a", 10), ("2a", 10), ("1b", 10), ("1c", 10)], &[]), Vec::<String>::new());
        assert_eq!(removed(&[("2a", 5), ("1a", 10), ("1b", 10), ("1c", 15)], &[]), ["1a"]);
        assert_eq!(removed(&[("1a", 10), ("1b", 10), ("1c", 40)], &[]), ["1a", "1b", "1c"]);
    }

    #[test]
    fn the_total_counts_over_all_projects() {
        assert_eq!(removed(&[("1a", 20), ("2a", 20), ("3a", 20)], &[]), ["1a"]);
        assert_eq!(removed(&[("x", 20), ("2a", 20), ("3a", 20)], &[]), ["x"]);
    }

    #[test]
    fn traces_that_stay_count_and_are_not_removed() {
        assert_eq!(removed(&[("1a", 20), ("2a", 20), ("3a", 20)], &["1a"]), ["2a"]);
        assert_eq!(removed(&[("1a", 60)], &["1a"]), Vec::<String>::new());
    }
}
