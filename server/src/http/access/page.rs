//! The sign-in page: HTML without script.

use crate::http::html::{self, escaped};
use axum::{http::StatusCode, response::Response};
use protocol::url_path;

/// The form, with an error message if there is one. `to` is the path to go to after signing in.
pub fn form(status: StatusCode, to: &str, error: Option<&str>) -> Response {
    let (invalid, notice) = match error {
        Some(error) => (
            " aria-invalid=\"true\" aria-describedby=\"wrong\"",
            format!("<p class=\"field-error\" id=\"wrong\" role=\"alert\">{}</p>", escaped(error)),
        ),
        None => ("", String::new()),
    };
    let action = url_path(super::SIGN_IN);
    let body = format!(
        "<form class=\"form\" method=\"post\" action=\"{action}\">\
         <input type=\"hidden\" name=\"to\" value=\"{}\">\
         <input name=\"username\" value=\"emberline\" autocomplete=\"username\" hidden>\
         <div class=\"field\"><label for=\"password\">Password</label>\
         <div class=\"field-input\"><input id=\"password\" name=\"password\" type=\"password\" required \
         autofocus autocomplete=\"current-password\"{invalid}></div>{notice}</div>\
         <div class=\"form-actions\"><button class=\"button button-primary\">Sign in</button></div></form>",
        escaped(to)
    );
    html::door(status, "Sign in", &body)
}

/// The page for somebody who is signed in already.
pub fn signed_in() -> Response {
    let (home, sign_out) = (url_path("/"), url_path(super::SIGN_OUT));
    let body = format!(
        "<p>You are signed in. <a href=\"{home}\">To the projects</a></p>\
         <form method=\"post\" action=\"{sign_out}\"><button class=\"button\">Sign out</button></form>"
    );
    html::door(StatusCode::OK, "Signed in", &body)
}
