-- beat: renews an instance's lease, keeps its sessions from expiring, says whose lease has lapsed
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV nonce str
-- ARGV lease_ms int
-- ARGV data_id str
-- ARGV secret str
-- ARGV about list
-- RETURNS OK data_id revived expired_instances expired_nodes secret | TAKEN left_ms
-- INCLUDE lib/clock.lua

local MAX_EXPIRED_INSTANCES = 8
local MAX_EXPIRED_NODES = 64
local MAX_SESSIONS = 64

local key = prefix .. 'inst:' .. instance
local lease = call('ZSCORE', prefix .. 'insts', instance)

-- Each process has a nonce of its own: two of one name are distinguished by it.
local holder = call('HGET', key, 'nonce')
if holder and holder ~= nonce and lease and tonumber(lease) > now then
  return { 'TAKEN', lease - now }
end

call('SET', prefix .. 'gen', data_id, 'NX')
call('SET', prefix .. 'secret', secret, 'NX') -- what proves that two instances share this store
local revived = holder == nonce and 0 or 1

-- After a time in which nobody could beat, all leases look expired together: the others get two
-- leases' time to beat again before anybody is judged.
if revived == 0 and lease and tonumber(lease) < now then
  call('HSET', key, 'calm_until', int(now + 2 * lease_ms))
end
call('HSET', key, 'lease_ms', int(lease_ms), 'beat_at', now_text, 'nonce', nonce,
  unpack(about))
call('EXPIRE', key, RECORD_TTL_S)
call('ZADD', prefix .. 'insts', int(now + lease_ms), instance)

local expired_instances, expired_nodes = {}, {}
if tonumber(call('HGET', key, 'calm_until') or '0') <= now then
  expired_instances = call('ZRANGEBYSCORE', prefix .. 'insts', '-inf', now_text,
    'LIMIT', 0, MAX_EXPIRED_INSTANCES)
  for _, id in ipairs(call('ZRANGEBYSCORE', prefix .. 'nodes', '-inf', now_text,
    'LIMIT', 0, MAX_EXPIRED_NODES)) do
    local node = call('HMGET', prefix .. 'node:' .. id, 'owner', 'epoch')
    if not node[1] then
      call('ZREM', prefix .. 'nodes', id)
    elseif node[1] == instance then
      expired_nodes[#expired_nodes + 1] = { id, node[2] }
    end
  end
end

local sessions = key .. ':sessions'
for _, id in ipairs(call('ZRANGEBYSCORE', sessions, '-inf', now_text,
  'LIMIT', 0, MAX_SESSIONS)) do
  local ttl_s = call('HGET', prefix .. 'session:' .. id, 'ttl_s')
  if ttl_s then
    call('EXPIRE', prefix .. 'session:' .. id, ttl_s)
    call('ZADD', sessions, int(now + tonumber(ttl_s) * 1000 / 3), id)
  else
    call('ZREM', sessions, id)
  end
end
return { 'OK', call('GET', prefix .. 'gen'), revived, expired_instances, expired_nodes,
  call('GET', prefix .. 'secret') }
