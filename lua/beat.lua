-- beat: renews an instance's lease, keeps its sessions from expiring, says whose lease has lapsed
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV lease_ms int
-- ARGV data_id str
-- RETURNS OK data_id revived expired_instances expired_nodes
-- INCLUDE lib/clock.lua

local MAX_EXPIRED_INSTANCES = 8
local MAX_EXPIRED_NODES = 64
local MAX_SESSIONS = 64

redis.call('SET', prefix .. 'gen', data_id, 'NX')
local key = prefix .. 'inst:' .. instance
local revived = 1 - redis.call('EXISTS', key)
local lease = redis.call('ZSCORE', prefix .. 'insts', instance)

-- After a time in which nobody could beat, all leases look expired together: the others get two
-- leases' time to beat again before anybody is judged.
if revived == 0 and lease and tonumber(lease) < now then
  redis.call('HSET', key, 'calm_until', int(now + 2 * lease_ms))
end
redis.call('HSET', key, 'lease_ms', int(lease_ms), 'beat_at', int(now))
redis.call('EXPIRE', key, RECORD_TTL_S)
redis.call('ZADD', prefix .. 'insts', int(now + lease_ms), instance)

local expired_instances, expired_nodes = {}, {}
if tonumber(redis.call('HGET', key, 'calm_until') or '0') <= now then
  expired_instances = redis.call('ZRANGEBYSCORE', prefix .. 'insts', '-inf', int(now),
    'LIMIT', 0, MAX_EXPIRED_INSTANCES)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'nodes', '-inf', int(now),
    'LIMIT', 0, MAX_EXPIRED_NODES)) do
    local node = redis.call('HMGET', prefix .. 'node:' .. id, 'owner', 'epoch')
    if not node[1] then
      redis.call('ZREM', prefix .. 'nodes', id)
    elseif node[1] == instance then
      expired_nodes[#expired_nodes + 1] = { id, node[2] }
    end
  end
end

local sessions = key .. ':sessions'
for _, id in ipairs(redis.call('ZRANGEBYSCORE', sessions, '-inf', int(now),
  'LIMIT', 0, MAX_SESSIONS)) do
  local ttl_s = redis.call('HGET', prefix .. 'session:' .. id, 'ttl_s')
  if ttl_s then
    redis.call('EXPIRE', prefix .. 'session:' .. id, ttl_s)
    redis.call('ZADD', sessions, int(now + tonumber(ttl_s) * 1000 / 3), id)
  else
    redis.call('ZREM', sessions, id)
  end
end
return { 'OK', redis.call('GET', prefix .. 'gen'), revived, expired_instances, expired_nodes }
