#![no_main]

// Whatever a message says, nothing dangerous is asked for, and what is kept of it has no secret left.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| obscura_fuzz::event::message_keeps_its_contract(bytes));
