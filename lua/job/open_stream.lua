-- open_stream: gives an utterance that is being spoken a slot that nobody needs; it never waits
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV session str
-- ARGV session_epoch str
-- ARGV cut int
-- ARGV index str
-- ARGV language str
-- ARGV source str
-- ARGV requirement str
-- ARGV preference str
-- ARGV turn str
-- ARGV part str
-- ARGV continues str
-- ARGV tenant str
-- ARGV weight int
-- ARGV slots_cap int
-- ARGV trace str
-- ARGV cost_ms int
-- ARGV deadline_ms int
-- ARGV job_ms int
-- ARGV excluded str
-- ARGV reserve int
-- RETURNS ASSIGNED job attempt node instance epoch due_ms turned handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS NO_NODE | MOVED | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
local session_state = '' -- kept at the cut
-- INCLUDE lib/record.lua
local refusal = enter_session()
if refusal then
  return refusal
end
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/reclaim.lua
-- INCLUDE lib/handover.lua

local MAX_NODES_COUNTED = 64 -- of more, so many at random stand for all

local before = load_job_head(job)
if before then
  return describe('DUPLICATE', before)
end

local function share_of(count)
  return math.floor(count * reserve / 1000)
end

-- Whether enough slots of the pair stay free beside this one: at all its nodes, those that do not
-- stream among them.
local function keeps_reserve()
  local nodes, total, free, looked = 0, 0, 0, 0
  local sets = capable_sets(requirement, '')
  for _, gid in ipairs(call('SINTER', unpack(sets))) do
    if is_open_to(gid, requirement) then
      local members = prefix .. 'grp:' .. gid .. ':nodes'
      nodes = nodes + call('SCARD', members)
      local left = math.max(1, MAX_NODES_COUNTED - looked)
      for _, id in ipairs(call('SRANDMEMBER', members, left)) do
        local slots = tonumber(call('HGET', prefix .. 'node:' .. id, 'max'))
        total = total + slots
        free = free + math.max(0, slots - call('HLEN', prefix .. 'node:' .. id .. ':slots'))
        looked = looked + 1
      end
    end
  end
  local scale = looked > 0 and nodes / looked or 1
  return free * scale - 1 >= share_of(total * scale)
end

-- The session's last node if it streams, else the best one that does; nil where there is none, or where
-- somebody waits for what it has.
local function streaming_node()
  local node = usual_node(excluded)
  if not node or not has_atoms(node, STREAM_ATOM) then
    node = choose_node(requirement .. ',' .. STREAM_ATOM, preference, excluded)
  end
  if not node or is_marked(node) or node.health ~= '' or is_excluded(node.id, excluded)
    or not can_serve(node, requirement) then
    return nil
  end
  local waits = call('EXISTS', prefix .. 'qs', prefix .. 'pin:' .. node.id) > 0 and next_waiting(node)
  return not waits and node or nil
end

local new = new_job(1)
local own = slots_cap > 0 and call('SCARD', tenant_slots(tenant)) or 0
local node = (slots_cap == 0 or own + share_of(slots_cap) < slots_cap) and streaming_node()
if not node or not keeps_reserve() then
  return { 'NO_NODE' }
end
new.due = new.deadline
write_record(new, 'assigned', node.id, 'assigned_at')
call('HSET', prefix .. 'job:' .. job, 'stream', now_text)
occupy(node, new)
index_stream(node, job, now_text)
if slots_cap > 0 then
  call('ZADD', tenant_streams(tenant), now_text, node.id .. ' ' .. job)
  call('EXPIRE', tenant_streams(tenant), RECORD_TTL_S)
end
place_node(node)
return { 'ASSIGNED', job, 1, node.id, node.owner, node.epoch, new.due - now, 0, {} }
