//! Faults at random moments.

use super::{
    machines::{Machine, Machines, Objects},
    proxy::Cut,
};
use rand::{Rng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};
use test_s3::Fault;

/// Injects faults, each of which is over by itself.
pub struct Faults {
    random: StdRng,
    /// Of the machines.
    lease: Duration,
    /// How often each was injected.
    pub counts: BTreeMap<String, usize>,
}

impl Faults {
    pub fn new(random: StdRng, lease: Duration) -> Self {
        Self { random, lease, counts: BTreeMap::new() }
    }

    /// Injects one. `crashed` is called while the database is down after a crash.
    pub fn inject(&mut self, machines: &Arc<Machines>, crashed: &dyn Fn()) {
        let kinds = if machines.objects.is_some() { 24 } else { 20 };
        let name = match self.random.random_range(0..kinds) {
            0..2 => {
                machines.database.crash();
                crashed();
                thread::sleep(self.random_time(0.1, 1.0));
                machines.database.start_again();
                "database crashes".to_owned()
            }
            n => match &machines.objects {
                Some(objects) if n >= 20 => self.disturb_objects(objects),
                _ => self.disturb(machines, n),
            },
        };
        *self.counts.entry(name).or_default() += 1;
    }

    /// A fault of one process that has none.
    fn disturb(&mut self, machines: &Arc<Machines>, what: u32) -> String {
        let machine = loop {
            let machine = &machines.all[self.random.random_range(0..machines.all.len())];
            if !machine.is_faulted.swap(true, Ordering::Relaxed) {
                break Arc::clone(machine);
            }
            thread::sleep(Duration::from_millis(20));
        };
        let who = if machine.is_worker { "worker" } else { "server" };
        // Some are over before a lease is, some are not.
        let lasts = self.random_time(0.2, 2.2);
        match what {
            2..8 => {
                later(machine, Duration::ZERO, |machine| machine.signal("-KILL"), |_| ());
                format!("{who} killed")
            }
            8..10 => {
                later(machine, Duration::ZERO, |machine| machine.signal("-TERM"), |_| ());
                format!("{who} stopped")
            }
            10..14 => {
                later(machine, lasts, |machine| machine.signal("-STOP"), |machine| machine.signal("-CONT"));
                format!("{who} paused")
            }
            _ => {
                let cut = Cut::ALL[self.random.random_range(0..Cut::ALL.len())];
                later(machine, lasts, move |machine| machine.proxy.cut(cut), |machine| machine.proxy.cut(Cut::No));
                format!("{who} cut off, {cut:?}")
            }
        }
    }

    /// A fault of the object store, which may last longer than a lease.
    fn disturb_objects(&mut self, objects: &Arc<Objects>) -> String {
        while objects.is_faulted.swap(true, Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        let faults = [Fault::Away, Fault::Fails, Fault::FailsSometimes, Fault::Slow(self.lease), Fault::Cut];
        let fault = faults[self.random.random_range(0..faults.len())];
        let lasts = self.random_time(0.2, 3.0);
        objects.s3.set_fault(fault);
        let objects = Arc::clone(objects);
        thread::spawn(move || {
            thread::sleep(lasts);
            objects.s3.set_fault(Fault::None);
            objects.is_faulted.store(false, Ordering::Relaxed);
        });
        format!("object store: {fault:?}")
    }

    /// A random time in leases.
    fn random_time(&mut self, least: f64, most: f64) -> Duration {
        self.lease.mul_f64(self.random.random_range(least..most))
    }
}

/// Begins a fault, and ends it after this time.
fn later(
    machine: Arc<Machine>,
    lasts: Duration,
    begin: impl Fn(&Machine) + Send + 'static,
    end: impl Fn(&Machine) + Send + 'static,
) {
    begin(&machine);
    thread::spawn(move || {
        thread::sleep(lasts);
        end(&machine);
        machine.is_faulted.store(false, Ordering::Relaxed);
    });
}

/// Waits until all faults are over.
pub fn wait_for_the_end(machines: &Machines) {
    let is_faulted = |machines: &Machines| {
        machines.all.iter().any(|machine| machine.is_faulted.load(Ordering::Relaxed))
            || machines.objects.as_ref().is_some_and(|objects| objects.is_faulted.load(Ordering::Relaxed))
    };
    while is_faulted(machines) {
        thread::sleep(Duration::from_millis(50));
    }
}
