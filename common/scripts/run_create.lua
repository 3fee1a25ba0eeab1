-- Accept a bulk run. ARGV[1]: JSON parameters. Answers its fields, or false if its input file or collection is not the caller's.
local p = cjson.decode(ARGV[1])
if redis.call('EXISTS', run_key(p.id)) == 0 then
  if p.collection_id then
    if not owns_collection(p.collection_id, p.caller) then return false end
    redis.call('ZADD', collection_queries_key(p.collection_id), 0, p.id)
  end
  if p.input_file_id then
    if redis.call('HGET', file_key(p.input_file_id), 'caller') ~= p.caller then return false end
    redis.call('HINCRBY', file_key(p.input_file_id), 'in_use', 1)
    redis.call('HSET', run_key(p.id), 'input_file_id', p.input_file_id)
  end
  redis.call('HSET', run_key(p.id), 'id', p.id, 'kind', p.kind, 'caller', p.caller, 'status', 'validating',
    'spec', p.spec, 'created_at_ms', now, 'fencing_token', 0)
  if p.metadata then redis.call('HSET', run_key(p.id), 'metadata', p.metadata) end
  if p.expires_after_s then redis.call('HSET', run_key(p.id), 'expires_at_ms', now + p.expires_after_s * 1000) end
  redis.call('ZADD', root .. 'runs:' .. p.kind .. ':' .. p.caller, 0, p.id)
  redis.call('ZADD', root .. 'runs_active', now, p.id)
end
return redis.call('HGETALL', run_key(p.id))
