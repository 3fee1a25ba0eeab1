-- Shared by the scripts of bulk runs and files.
local function run_key(id) return root .. 'run:' .. id end
local function open_key(id) return root .. 'run_open:' .. id end
local function parts_key(id) return root .. 'run_parts:' .. id end
local function file_key(id) return root .. 'file:' .. id end

local function item_job(run_id, index)
  return 'job_' .. string.match(run_id, '_(%x+)$') .. string.format('%06x', index)
end

-- Nobody leased the run after this token was given: only then may its holder write.
local function feeds(id, token) return redis.call('HGET', run_key(id), 'fencing_token') == token end

local function run_status(id) return redis.call('HGET', run_key(id), 'status') end

local function move_run(id, status) redis.call('HSET', run_key(id), 'status', status, status .. '_at_ms', now) end

local function keep_file(p)
  redis.call('HSET', file_key(p.id), 'id', p.id, 'caller', p.caller, 'purpose', p.purpose, 'filename', p.filename,
    'key', p.key, 'bytes', p.bytes, 'created_at_ms', now)
  redis.call('ZADD', root .. 'files:' .. p.caller, 0, p.id)
  if p.expires_after_s then
    redis.call('HSET', file_key(p.id), 'expires_at_ms', now + p.expires_after_s * 1000)
    redis.call('ZADD', root .. 'files_expiring', now + p.expires_after_s * 1000, p.id)
  end
end

-- The record goes; the bytes follow when somebody has removed them.
local function doom_file(id)
  local state = redis.call('HMGET', file_key(id), 'caller', 'key')
  if not state[1] then return end
  redis.call('ZADD', root .. 'doomed_blobs', now, state[2])
  redis.call('ZREM', root .. 'files:' .. state[1], id)
  redis.call('ZREM', root .. 'files_expiring', id)
  redis.call('DEL', file_key(id))
end

local function release_input(id)
  local input = redis.call('HGET', run_key(id), 'input_file_id')
  if input and redis.call('EXISTS', file_key(input)) == 1 then redis.call('HINCRBY', file_key(input), 'in_use', -1) end
end
