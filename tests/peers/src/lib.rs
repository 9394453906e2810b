//! Nothing: see the `build` script beside this package.
