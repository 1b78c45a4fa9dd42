#![no_main]

// Nothing opens that was not sealed.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| obscura_fuzz::trust::envelope_keeps_its_contract(bytes));
