-- The role that CoreREST logs in by. In the demo it needs no password: nobody else is there.
alter role authenticator password 'only-for-trying';
