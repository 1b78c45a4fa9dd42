#![no_main]

// Every log ends with a report, and every change of one is found.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| obscura_fuzz::trust::audit_keeps_its_contract(bytes));
