-- Keep a file's record, its bytes being in the store. ARGV[1]: JSON parameters. Answers its fields.
local p = cjson.decode(ARGV[1])
if redis.call('EXISTS', file_key(p.id)) == 0 then keep_file(p) end
return redis.call('HGETALL', file_key(p.id))
