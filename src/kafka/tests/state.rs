//! What the consumer's thread and the intake share, without a consumer.

use std::collections::HashMap;

use crate::{
    kafka::{
        KafkaMessage, MAX_RECORDS,
        state::{Interpret, Kept, Place, State},
        testing::uploads,
    },
    source::{LowWaterMark, NextOffset, Partition, SourceEvent},
};

fn place(partition: i32) -> Place {
    ("uploads".to_owned(), partition)
}

fn message(partition: i32, offset: i64) -> KafkaMessage {
    KafkaMessage {
        topic: "uploads".to_owned(),
        partition,
        offset,
        timestamp_ms: None,
        key: None,
        headers: Vec::new(),
        payload: format!("{partition}:{offset}").into_bytes(),
    }
}

fn mark(partition: u32, next: i64) -> LowWaterMark {
    LowWaterMark { partition: Partition(partition), next: NextOffset(next << 16) }
}

/// What the intake is told until there is nothing more.
fn told(state: &mut State) -> Vec<String> {
    let interpret: Interpret = Box::new(uploads);
    let mut told = Vec::new();
    while let Some(event) = state.take(true, &interpret) {
        told.push(match event {
            SourceEvent::Delivered(delivered) => delivered.upload.relative.to_string_lossy().into_owned(),
            SourceEvent::Assigned(partition) => format!("assigned {}", partition.0),
            SourceEvent::Revoked(partition) => format!("revoked {}", partition.0),
            SourceEvent::Lost(partition) => format!("lost {}", partition.0),
            other => format!("{other:?}"),
        });
    }
    told
}

fn assigned(partitions: i32) -> State {
    let mut state = State::new(1 << 20);
    state.assign(&(0..partitions).map(place).collect::<Vec<_>>());
    told(&mut state);
    state
}

#[test]
fn partitions_take_turns_and_a_held_one_waits() {
    let mut state = assigned(3);
    for partition in 0..3 {
        for offset in 0..2 {
            assert_eq!(state.push(message(partition, offset)), Kept::Yes);
        }
    }
    state.hold(Partition(1), true);
    assert_eq!(told(&mut state), ["2:0", "0:0", "2:1", "0:1"].map(str::to_owned).as_slice());
    state.hold(Partition(1), false);
    assert_eq!(told(&mut state), ["1:0", "1:1"]);
}

#[test]
fn nothing_of_a_revoked_partition_is_handed_out() {
    let mut state = assigned(2);
    state.push(message(0, 5));
    state.push(message(1, 5));
    state.commit(&[mark(0, 4)]);
    assert!(state.begin_to_revoke(&[place(0)]).is_empty());
    assert_eq!(state.push(message(0, 6)), Kept::No);
    assert!(state.is_awaiting());
    assert_eq!(told(&mut state), ["revoked 0", "1:5"]);
    state.release(Partition(0), Some(mark(0, 5)));
    assert!(!state.is_awaiting());
    assert_eq!(state.end_revoked(&[place(0)]), [(place(0), 5)]);
}

#[test]
fn marks_of_an_old_epoch_count_for_nothing() {
    let mut state = assigned(1);
    state.begin_to_revoke(&[place(0)]);
    state.end_revoked(&[place(0)]);
    state.assign(&[place(0)]);
    // The intake has heard of neither yet.
    state.commit(&[mark(0, 9)]);
    state.release(Partition(0), Some(mark(0, 9)));
    state.hold(Partition(0), true);
    assert!(state.to_commit().is_empty());
    assert_eq!(told(&mut state), ["revoked 0", "assigned 0"]);
    state.push(message(0, 3));
    assert_eq!(told(&mut state), ["0:3"]);
    state.commit(&[mark(0, 4)]);
    assert_eq!(state.to_commit(), [(place(0), 4)]);
    state.committed(&place(0), 4);
    assert!(state.to_commit().is_empty());
}

#[test]
fn what_the_intake_never_heard_of_needs_no_answer() {
    let mut state = State::new(1 << 20);
    state.assign(&[place(0), place(1)]);
    state.begin_to_revoke(&[place(0)]);
    assert!(!state.is_awaiting());
    state.end_revoked(&[place(0)]);
    state.lose(&[place(1)]);
    assert_eq!(told(&mut state), [""; 0]);
}

#[test]
fn a_full_buffer_pauses_once_and_resumes_when_half_empty() {
    let mut state = assigned(2);
    let kept: Vec<_> = (0..300).map(|offset| state.push(message(0, offset))).collect();
    assert_eq!(kept.iter().filter(|&&kept| kept == Kept::Full).count(), 1);
    assert_eq!(kept[255], Kept::Full);
    assert!(state.take_resumable().is_empty());
    assert_eq!(told(&mut state).len(), 300, "what came before the pause counts is kept");
    assert_eq!(state.take_resumable(), [place(0)]);
    assert!(state.take_resumable().is_empty());
    // By bytes: two partitions share a mebibyte.
    let big = KafkaMessage { payload: vec![b'x'; 300_000], ..message(1, 0) };
    assert_eq!(state.push(big.clone()), Kept::Yes);
    assert_eq!(state.push(KafkaMessage { offset: 1, ..big }), Kept::Full);
}

#[test]
fn offsets_that_go_back_begin_a_new_epoch() {
    let mut state = assigned(1);
    state.push(message(0, 100));
    assert_eq!(told(&mut state), ["0:100"]);
    state.commit(&[mark(0, 101)]);
    state.push(message(0, 0));
    state.push(message(0, 1));
    assert_eq!(told(&mut state), ["lost 0", "assigned 0", "0:0", "0:1"]);
    assert!(state.to_commit().is_empty());
}

#[test]
fn a_message_with_more_records_than_can_be_told_apart_ends_the_source() {
    let mut state = assigned(1);
    let payload = ",".repeat(MAX_RECORDS).into_bytes();
    state.push(KafkaMessage { payload, ..message(0, 0) });
    let interpret: Interpret = Box::new(uploads);
    assert!(matches!(state.take(true, &interpret), Some(SourceEvent::Failed(_))));
    assert!(state.take(true, &interpret).is_none());
}

#[test]
fn the_backlog_is_what_was_not_delivered() {
    let mut state = assigned(2);
    state.set_end(&place(0), 10, 4);
    state.set_end(&place(1), 7, 7);
    assert_eq!(state.backlog(), 6);
    state.push(message(0, 4));
    told(&mut state);
    assert_eq!(state.backlog(), 5);
    assert_eq!(state.lag(&HashMap::from([(place(0), 4), (place(1), 7)])), 6);
    state.committed(&place(0), 5);
    assert_eq!(state.lag(&HashMap::from([(place(0), 4), (place(1), 7)])), 5);
}
