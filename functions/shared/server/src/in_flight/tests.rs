//! Tests of the bounds on work in flight.

use futures_util::FutureExt;

use super::*;

fn in_flight(n_requests: usize, n_bytes: usize, n_turns: usize) -> Arc<InFlight> {
    InFlight::new(WorkBounds { n_requests, n_bytes, n_turns, is_shared: true })
}

fn tenants() -> [Tenant; 2] {
    [Tenant::new("busy"), Tenant::new("other")]
}

#[test]
fn bytes_are_reserved_up_to_the_bound_and_released() {
    let in_flight =
        InFlight::new(WorkBounds { n_requests: 1, n_bytes: 100, n_turns: 1, is_shared: false });
    let tenant = Tenant::default();
    let mut first = in_flight.reserve(&tenant, 60).unwrap();
    assert!(in_flight.reserve(&tenant, 41).is_err());
    let second = in_flight.reserve(&tenant, 40).unwrap();
    assert!(first.resize(61).is_err());
    assert_eq!(first.n_bytes(), 60);
    drop(second);
    first.resize(100).unwrap();
    first.resize(10).unwrap();
    assert_eq!(in_flight.reserve(&tenant, 90).unwrap().n_bytes(), 90);
    drop(first);
    assert_eq!(in_flight.work().all, Load::default());
    assert!(in_flight.work().by_tenant.is_empty());
}

#[test]
fn requests_are_admitted_up_to_the_bound() {
    let in_flight = in_flight(1, 1, 1);
    let permit = in_flight.admit().unwrap();
    assert_eq!(in_flight.admit().unwrap_err().code(), "overloaded");
    drop(permit);
    assert!(in_flight.admit().is_ok());
}

#[test]
fn a_tenant_takes_no_more_than_it_leaves_free() {
    let in_flight = in_flight(100, 1_000, 1);
    let [busy, other_tenant] = tenants();
    let mut admitted = Vec::new();
    let refused = loop {
        let mut permit = in_flight.admit().unwrap();
        if let Err(error) = permit.assign(&busy) {
            break error;
        }
        admitted.push(permit);
    };
    assert_eq!((refused.code(), admitted.len()), ("overloaded", 50));
    in_flight.admit().unwrap().assign(&other_tenant).unwrap();
    let mut bytes: Vec<_> = (0..5).map(|_| in_flight.reserve(&busy, 100).unwrap()).collect();
    assert!(in_flight.reserve(&busy, 100).is_err());
    assert!(bytes[0].resize(101).is_err());
    assert!(in_flight.reserve(&other_tenant, 400).is_ok());
}

#[tokio::test]
async fn turns_go_from_tenant_to_tenant() {
    let in_flight = in_flight(100, 1_000, 1);
    let [busy, other_tenant] = tenants();
    let first = in_flight.turn(&busy, 10).await;
    let mut second = Box::pin(in_flight.turn(&busy, 10));
    let mut third = Box::pin(in_flight.turn(&busy, 10));
    assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
    let mut others = Box::pin(in_flight.turn(&other_tenant, 10));
    assert!(others.as_mut().now_or_never().is_none());
    drop(first);
    let second = second.as_mut().now_or_never().expect("the first in the queue");
    assert!(third.as_mut().now_or_never().is_none());
    drop(second);
    let other = others.as_mut().now_or_never().expect("another tenant is next");
    assert!(third.as_mut().now_or_never().is_none());
    drop(other);
    assert!(third.as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn a_tenant_leaves_a_turn_free() {
    let in_flight = in_flight(100, 1_000, 4);
    let [busy, other_tenant] = tenants();
    let _running = [in_flight.turn(&busy, 10).await, in_flight.turn(&busy, 10).await];
    assert!(in_flight.turn(&busy, 10).now_or_never().is_none());
    assert!(in_flight.turn(&other_tenant, 10).now_or_never().is_some());
}

#[tokio::test]
async fn a_turn_waits_for_room_and_leaves_room_for_short_requests() {
    let in_flight = in_flight(100, 1_000, 4);
    let [busy, other_tenant] = tenants();
    let mut first = in_flight.turn(&busy, 500).await;
    let mut second = Box::pin(in_flight.turn(&other_tenant, 300));
    assert!(second.as_mut().now_or_never().is_none());
    assert!(in_flight.reserve(&other_tenant, 200).is_ok());
    first.shrink(400);
    assert!(second.as_mut().now_or_never().is_some());
    // One that is larger than all room runs alone, also beside a body that fills the room.
    drop(first);
    let _body = in_flight.reserve(&other_tenant, 900).unwrap();
    assert_eq!(in_flight.turn(&busy, 5_000).await.n_bytes(), 500);
}

#[tokio::test]
async fn an_abandoned_turn_is_given_to_the_next() {
    let in_flight = in_flight(100, 1_000, 1);
    let [busy, other_tenant] = tenants();
    let first = in_flight.turn(&busy, 10).await;
    let mut abandoned = Box::pin(in_flight.turn(&busy, 10));
    assert!(abandoned.as_mut().now_or_never().is_none());
    let mut waiting = Box::pin(in_flight.turn(&other_tenant, 10));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(abandoned);
    drop(first);
    assert!(waiting.as_mut().now_or_never().is_some());
    assert_eq!(in_flight.work().all.n_turns, 0);
}
