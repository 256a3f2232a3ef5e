//! The WASM entry of Emberline's page. Without a feature it is empty, so that the workspace builds for the
//! host; `hydrate` hydrates a page that the server has rendered, `csr` renders in the browser alone.

/// Called by the page's script once the module is loaded.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    app::hydrate();
}

#[cfg(all(feature = "csr", not(feature = "hydrate")))]
#[wasm_bindgen::prelude::wasm_bindgen(start)]
fn start() {
    app::mount();
}
