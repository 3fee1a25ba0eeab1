-- What queue and workers look like. ARGV: worker_alive_ms. Answers JSON.
local lanes = {}
for _, lane in ipairs({'interactive', 'bulk'}) do
  local first = redis.call('ZRANGE', waiting_key(lane), 0, 0)[1]
  local created = first and field(first, 'created_at_ms')
  local oldest = redis.call('ZRANGE', queued_at_key(lane), 0, 0, 'WITHSCORES')[2]
  lanes[lane] = {
    waiting = redis.call('ZCARD', waiting_key(lane)),
    backlog_tokens = tonumber(redis.call('HGET', root .. 'backlog_tokens', lane) or '0'),
    head_age_ms = created and now - tonumber(created) or 0,
    oldest_age_ms = oldest and now - tonumber(oldest) or 0,
  }
end
local workers = {}
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', root .. 'workers_seen', now - tonumber(ARGV[1]), '+inf')) do
  workers[#workers + 1] = cjson.decode(redis.call('HGET', root .. 'workers', owner))
end
local counts = {}
local flat = redis.call('HGETALL', root .. 'finished')
for i = 1, #flat, 2 do counts[flat[i]] = tonumber(flat[i + 1]) end
counts.running = redis.call('ZCARD', root .. 'leases')
return cjson.encode({lanes = lanes, workers = workers, counts = counts, webhooks = redis.call('ZCARD', root .. 'webhooks')})
