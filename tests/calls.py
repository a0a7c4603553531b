"""Two tools, and the calls of them that tests of parsers and agents make."""

from safegym.records import ToolCall, ToolSpec


def schema(**properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


TOOLS = (
    ToolSpec(name="read_file", description="Read a file.", parameters=schema(path={"type": "string"})),
    ToolSpec(name="look", description="Look around.", parameters=schema()),
)
READ = ToolCall(tool="read_file", arguments={"path": "a.txt"})
LOOK = ToolCall(tool="look")
CALL = '{"tool":"read_file","arguments":{"path":"a.txt"}}'
