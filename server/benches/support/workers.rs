//! Workers in this process, each with its own connections, as `emberline worker` has them.

use engine::{Engine, EngineOptions, Identity, InjectedFault, Media, Models, NoClients, TraceLimits, recovery};
use local_studio::LocalStudio;
use protocol::WorkerKind;
use sdxl::{Compute, DeviceChoice};
use server::commands::{model::ModelChoice, offers::Offers};
use std::{
    collections::{BTreeMap, HashMap},
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Store;
use tokio::runtime::Runtime;
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// A model whose steps take hardly any time.
pub const MODEL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/sdxl/tests/fixtures/tiny/single-f16.safetensors");

/// A step takes a second.
const STEP_MS: NonZeroU32 = NonZeroU32::new(1000).expect("not 0");
/// How long the workers may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// What the workers did.
#[derive(Clone, Default)]
pub struct Noted {
    /// How long each claim took.
    pub claims_ms: Vec<f64>,
    /// When each step of a task was done, seconds since 1970.
    pub steps: HashMap<(i64, u64), f64>,
}

/// Running workers.
pub struct Workers {
    runtime: Runtime,
    engines: Vec<Engine>,
    stores: Vec<Store>,
    noted: Arc<Mutex<Noted>>,
}

impl Workers {
    /// Starts them, one after the other, at least this far apart.
    pub fn start(url: &str, pictures: &Path, (count, kind): (usize, WorkerKind), apart: Duration) -> Self {
        let noted = Arc::new(Mutex::new(Noted::default()));
        let traces = tracing_subscriber::filter::Targets::new().with_target("engine", tracing::Level::TRACE);
        tracing_subscriber::registry().with(Notes(Arc::clone(&noted)).with_filter(traces)).init();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let offers =
            Offers::of(&ModelChoice::Path(PathBuf::from(MODEL)), &Default::default(), None).expect("the model");
        let compute = Compute::open(DeviceChoice::Cpu).expect("the CPU");
        let models = Arc::new(Models::new(offers.offers, offers.refused, Default::default(), compute));
        models.pipeline(&models.offers()[0].name).expect("the model loads");
        let engines = (0..count).map(|n| {
            std::thread::sleep(apart);
            runtime.block_on(start(url, pictures, &models, (n, kind)))
        });
        let (engines, stores) = engines.unzip();
        Self { runtime, engines, stores, noted }
    }

    /// The mean time of each kind of statement, in milliseconds, and their number.
    pub fn calls(&self) -> BTreeMap<&'static str, (f64, u64)> {
        let mut sums = BTreeMap::<_, (f64, u64)>::new();
        for (call, seconds, count) in self.stores.iter().filter_map(Store::measured).flat_map(|of| of.database) {
            let sum = sums.entry(call).or_default();
            *sum = (sum.0 + seconds, sum.1 + count);
        }
        sums.into_iter()
            .map(|(call, (seconds, count))| (call, (1000.0 * seconds / count.max(1) as f64, count)))
            .collect()
    }

    /// What was noted so far.
    pub fn noted(&self) -> Noted {
        self.noted.lock().expect("unpoisoned").clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let engines = std::mem::take(&mut self.engines);
        self.runtime.block_on(async {
            let stops: Vec<_> =
                engines.into_iter().map(|engine| tokio::spawn(async move { engine.stop(STOP).await })).collect();
            for stop in stops {
                stop.await.ok();
            }
        });
    }
}

async fn start(
    url: &str,
    pictures: &Path,
    models: &Arc<Models>,
    (number, kind): (usize, WorkerKind),
) -> (Engine, Store) {
    let store = Store::join(url).await.expect("the database opens");
    let media = Arc::new(Media::at(&pictures.join("media")));
    let start = store.begin_start(None).await.expect("begins").expect("on PostgreSQL");
    recovery::join(&store, &media).await.expect("the folder of the server");
    store.take_turns();
    store.end_start(start).await.expect("registered");
    let options = EngineOptions {
        identity: Identity { name: format!("worker {number}"), kind },
        concurrency: NonZeroUsize::new(1),
        paused: false,
        traces: TraceLimits::from(&LocalStudio::stored_settings(&store).await.expect("settings")),
        read_traces: LocalStudio::trace_limits,
        interrupted: LocalStudio::interrupted,
        protocol: None,
        fault: Some(InjectedFault::Slow(STEP_MS)),
    };
    let engine = Engine::start(store.clone(), media, Arc::clone(models), Arc::new(NoClients), options);
    (engine.await.expect("the engine starts"), store)
}

/// Reads the engine's traces.
struct Notes(Arc<Mutex<Noted>>);

impl<S: tracing::Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let number = |name: &str| fields.0.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let mut noted = self.0.lock().expect("unpoisoned");
        match fields.0.get("message").map(String::as_str) {
            Some("task claimed") => noted.claims_ms.push(number("took_us") as f64 / 1000.0),
            Some("step done") => {
                let task = i64::try_from(number("task.id")).expect("an id");
                noted.steps.insert((task, number("step")), at);
            }
            Some(message) if *event.metadata().level() <= tracing::Level::WARN => eprintln!("{message} {:?}", fields.0),
            _ => {}
        }
    }
}

/// The fields of an event, as text.
#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
