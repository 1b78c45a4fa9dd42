#![no_main]

// Nothing is believed that was not signed.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| obscura_fuzz::trust::receipt_keeps_its_contract(bytes));
