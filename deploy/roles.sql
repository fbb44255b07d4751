-- The two roles of docs/postgresql.md, at the database's first start. Their passwords come from database.env.
\getenv owner_password LSQ_OWNER_PASSWORD
\getenv app_password LSQ_APP_PASSWORD
CREATE ROLE lsq_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE lsq_app LOGIN PASSWORD :'app_password';
CREATE DATABASE lsq_ops OWNER lsq_owner;
