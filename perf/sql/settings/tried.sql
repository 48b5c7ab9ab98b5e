SELECT num_nulls(set_config('transaction_read_only', 'on', true), set_config('search_path', :p,
  true), set_config('role', :r, true), set_config('request.jwt.claims', :c, true),
  set_config('request.method', :m, true), set_config('request.path', :path, true),
  set_config('request.headers', :h, true), set_config('request.cookies', :k, true));
