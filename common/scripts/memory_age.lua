-- Tell for how long records have been kept here for certain: since this was asked first. Answers milliseconds.
local key = root .. 'kept_since_ms'
local since = redis.call('GET', key)
if since then return now - tonumber(since) end
redis.call('SET', key, now)
return 0
