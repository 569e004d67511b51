//! Pin.
