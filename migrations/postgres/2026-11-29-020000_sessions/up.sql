-- Who is signed in, for all servers. A key is not stored, only its SHA-256. All times are this database's clock.
CREATE TABLE sessions (
    -- 64 hexadecimal digits.
    digest TEXT PRIMARY KEY,
    -- Names the password and the token of the servers that accept it: with another password it is worth nothing.
    access TEXT NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL
);

-- When an address may try a password or a token again. Rows that are over are removed after a minute.
CREATE TABLE sign_in_attempts (
    address TEXT PRIMARY KEY,
    next_at TIMESTAMPTZ NOT NULL
);
