"""One module a page, each with `render()`; `dashboard.navigation` lists them."""
