-- A node's place in the choice. Nodes with the same atoms, penalties, health and speed
-- share a group; a group's `free` set ranks its nodes that have a free slot: unmarked before marked (overloaded, suspect),
-- then by load, then least recently used. A node that is draining or off-line is in no group.
--
-- `health`: '' (well), `watched` (errors in a row, and used as ever), `erring` (used only where no
-- other has a free slot, and for a few jobs), `sick` (only where no other serves), `trial` (one job).

local RANK_UNIT = 4e12 -- above every time in ms; 2000 ranks stay below 2^53
local MARKED = 1000 -- above every load in permille
local FACTOR_OF_TWO = 4 -- classes of speed: quarters of an octave of time per second of speech


local function load_node(id)
  local values = call('HMGET', prefix .. 'node:' .. id,
    'state', 'owner', 'epoch', 'max', 'group', 'atoms', 'overloaded', 'suspect', 'penalties',
    'health', 'pace')
  if not values[1] then
    return nil
  end
  return {
    id = id,
    slots = prefix .. 'node:' .. id .. ':slots',
    state = values[1],
    owner = values[2],
    epoch = values[3],
    max = tonumber(values[4]),
    group = values[5],
    atoms = values[6],
    overloaded = tonumber(values[7]),
    suspect = values[8] == '1',
    penalties = values[9],
    health = values[10] or '',
    pace = values[11] or '',
  }
end

-- How many slots of the node may be in use.
local function places(node)
  return node.health == 'trial' and math.min(1, node.max) or node.max
end

-- Whether some node, of whatever languages, is faster by more than a factor of two.
local function is_slow(node)
  local fastest = node.pace ~= '' and call('ZRANGE', prefix .. 'speeds', 0, 0)[1]
  return fastest and tonumber(node.pace) > tonumber(fastest) + FACTOR_OF_TWO
end

-- Whether others are chosen before it, or instead of it.
local function is_doubted(node)
  return node.health == 'sick' or node.health == 'erring'
end

local function used_slots(node)
  return call('HLEN', node.slots)
end

local function is_marked(node)
  return node.suspect or node.overloaded > now
end

-- Whether the list of nodes (one a line) names it.
local function is_excluded(id, excluded)
  return excluded ~= '' and string.find('\n' .. excluded .. '\n', '\n' .. id .. '\n', 1, true) ~= nil
end

local function has_atoms(node, requirement)
  for atom in string.gmatch(requirement, '[^,]+') do
    if not string.find(node.atoms, ' ' .. atom .. ' ', 1, true) then
      return false
    end
  end
  return true
end

-- Whether the node is in the choice, has all atoms of the requirement and no penalty for it.
local function can_serve(node, requirement)
  if node.group == '' or not has_atoms(node, requirement) then
    return false
  end
  if node.penalties ~= '' then
    return not string.find(' ' .. node.penalties, ' ' .. requirement .. '=', 1, true)
  end
  return true
end

-- Puts the node where its slots and marks say: into the free set of its group, or out of it.
-- `used` slots are counted unless the caller knows them, who has just taken one: then the node can
-- only have become worse, and its group with it.
local function place_node(node, used)
  if node.group == '' then
    return
  end
  local free = prefix .. 'grp:' .. node.group .. ':free'
  local worsens = used ~= nil
  used = used or used_slots(node)
  if used < places(node) then
    local rank = math.floor(used * 1000 / node.max)
    if is_marked(node) then
      rank = rank + MARKED
    end
    local score = int(rank * RANK_UNIT + now)
    if call('ZADD', free, score, node.id) == 1 or not worsens then
      call('ZADD', prefix .. 'groups:free', 'LT', score, node.group)
    end
  elseif call('ZREM', free, node.id) == 1 and call('EXISTS', free) == 0 then
    call('ZREM', prefix .. 'groups:free', node.group)
  end
end
