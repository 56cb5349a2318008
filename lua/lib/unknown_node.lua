-- A node whose record is not back after a loss of data: it can hold slots, not be chosen.
local function unknown_node(id)
  return {
    id = id, slots = prefix .. 'node:' .. id .. ':slots', state = 'offline', owner = '', epoch = '0',
    max = 0, group = '', atoms = '', overloaded = 0, suspect = false, penalties = '', health = '', pace = '',
  }
end
