//! Properties of mutated events: read within the limits, or an error.

use intake::{RequestLimits, TriggerEvent};
use proptest::prelude::*;

/// Bounds small enough for the events to reach them.
const SMALL: RequestLimits =
    RequestLimits { n_samples_max: 5, body_bytes_max: 1_000, unpacked_bytes_max: 400 };

/// One event of each form.
const EVENTS: [&str; 8] = [
    include_str!("../../../../events/sqs-poisoned.json"),
    include_str!("../../../../events/sqs-fifo-poisoned.json"),
    include_str!("../../../../events/sqs-wrapped.json"),
    include_str!("../../../../events/kinesis-poisoned.json"),
    include_str!("../../../../events/kinesis-gzip.json"),
    include_str!("../../../../events/eventbridge-sample.json"),
    include_str!("../../../../events/sns-sample.json"),
    include_str!("../../../../events/firehose-metric-stream.json"),
];

proptest! {
    #[test]
    fn mutated_events_do_not_panic(
        at in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), ".{0,3}"), 0..6),
    ) {
        let mut json = EVENTS[at.index(EVENTS.len())].to_owned();
        for (index, text) in cuts {
            let start = json.floor_char_boundary(index.index(json.len() + 1));
            json.replace_range(start..json.ceil_char_boundary((start + 2).min(json.len())), &text);
        }
        if let Ok(event) = TriggerEvent::read(&json) {
            for record in &event.records {
                if let Ok(batch) = record.samples(&SMALL) {
                    prop_assert!(batch.n_read() <= SMALL.n_samples_max);
                }
            }
        }
    }
}
