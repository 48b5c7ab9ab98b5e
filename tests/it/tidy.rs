//! Nothing yet.
//! Nothing.
