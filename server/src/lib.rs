//! The binary emberline: command line, HTTP, WebSocket, media
