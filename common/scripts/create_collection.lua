-- Create an empty collection. ARGV: id, caller, name. Answers its fields.
local id, caller = ARGV[1], ARGV[2]
redis.call('HSET', collection_key(id), 'id', id, 'caller', caller, 'name', ARGV[3], 'created_at_ms', now)
redis.call('ZADD', root .. 'collections:' .. caller, 0, id)
return redis.call('HGETALL', collection_key(id))
