-- A job's record, as far as every end of a job needs it: those fields come first in the hash, for a
-- small hash is read from its front. Needs lib/clock.lua, slot.

local FINAL = { done = true, empty = true, failed = true, cancelled = true }

local function head_from(id, values)
  if not values[1] then
    return nil
  end
  return {
    id = id,
    state = values[1],
    attempt = tonumber(values[2]),
    node = values[3],
    owner = values[4],
    session = values[5],
    slot = slot_of(values[5], values[6], values[7]),
    turn = values[6],
    language = values[7],
    index = values[8],
    cut = values[9] or '0',
    turned = values[10] == '1',
    tenant = values[11],
    cap = tonumber(values[12] or '0'),
  }
end

-- What the end of an assigned job needs to know.
local function load_job_head(id)
  return head_from(id, call('HMGET', prefix .. 'job:' .. id,
    'state', 'attempt', 'node', 'owner', 'session', 'turn', 'language', 'index', 'cut', 'turned',
    'tenant', 'cap'))
end
