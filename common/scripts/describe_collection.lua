-- Read a collection. ARGV: id, caller. Answers its fields, or false.
if not owns_collection(ARGV[1], ARGV[2]) then return false end
return redis.call('HGETALL', collection_key(ARGV[1]))
