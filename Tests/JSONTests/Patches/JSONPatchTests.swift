import TestSupport
import Testing

@testable import JSON

struct JSONPatchTests {
    private func apply(_ patch: String, to document: String) throws -> String {
        text(try JSONPatch(Array(patch.utf8)).apply(to: parse(document)))
    }

    private func error(_ patch: String, on document: String = "{}") throws -> JSONPatchError? {
        do {
            _ = try apply(patch, to: document)
            return nil
        } catch let error as JSONPatchError {
            return error
        }
    }

    // MARK: Results

    @Test func whatIsNotTouchedIsSpelledAsItWas() throws {
        let document = """
             { "big" : 123456789012345678901234567890.10E+5, "esc":"\\u00e9\\/\\ud800", "twice":1 , "twice" : [ 1,  2 ],
               "in" : { "keep" : [ 1 , {  } ], "change" : 1.0, "k\\u0065y" : 0 } }
            """
        #expect(
            try apply(#"[{"op":"replace","path":"/in/change","value": 2.50 }]"#, to: document)
                == "{\"big\":123456789012345678901234567890.10E+5,\"esc\":\"\\u00e9\\/\\ud800\",\"twice\":1,\"twice\":[ 1,  2 ],"
                + "\"in\":{\"keep\":[ 1 , {  } ],\"change\":2.50,\"k\\u0065y\":0}}")
        // Nothing changed: not even white space, wherever was looked.
        for patch in [
            "[]", #"[{"op":"test","path":"/in/keep/0","value":1e0},{"op":"test","path":"","value":\#(document)}]"#,
            #"[{"op":"move","from":"/in","path":"/in"}]"#,
        ] {
            #expect(try apply(patch, to: document) == document)
        }
        #expect(
            try apply(#"[{"op":"test","path":"/in/keep/1","value":{}},{"op":"add","path":"/x","value":[ ]}]"#, to: document)
                .hasSuffix(#""in":{ "keep" : [ 1 , {  } ], "change" : 1.0, "k\u0065y" : 0 },"x":[ ]}"#))
    }

    @Test func repeatedNames() throws {
        let document = #"{"a":1,"b":2,"\u0061":{"x":3}}"#
        #expect(try apply(#"[{"op":"test","path":"/a/x","value":3}]"#, to: document) == document)
        #expect(try apply(#"[{"op":"replace","path":"/a/x","value":4}]"#, to: document) == #"{"a":1,"b":2,"\u0061":{"x":4}}"#)
        #expect(try apply(#"[{"op":"add","path":"/a","value":4}]"#, to: document) == #"{"a":1,"b":2,"\u0061":4}"#)
        #expect(try apply(#"[{"op":"remove","path":"/a"}]"#, to: document) == #"{"b":2}"#)
        #expect(try apply(#"[{"op":"move","from":"/a","path":"/c"}]"#, to: document) == #"{"b":2,"c":{"x":3}}"#)
    }

    @Test func namesThatNoStringHolds() throws {
        let document = #"{"\ud800":1,"\ud801":2,"\#u{FFFD}":3}"#
        #expect(try apply(#"[{"op":"remove","path":"/\uD801"}]"#, to: document) == #"{"\ud800":1,"\#u{FFFD}":3}"#)
        #expect(try apply(#"[{"op":"add","path":"/\udc00~1\u0000\"","value":0}]"#, to: "{}") == #"{"\udc00/\u0000\"":0}"#)
        #expect(try error(#"[{"op":"remove","path":"/\udfff"}]"#, on: document)?.reason == .notFound(path: "/\u{FFFD}\u{FFFD}\u{FFFD}"))
    }

    @Test(arguments: [
        ("1", "1.0", true), ("100", "1E+2", true), ("-0", "0", true), ("1", "\"1\"", false), ("1", "true", false), ("null", "null", true),
        ("null", "false", false), ("\"\\u0061\"", "\"a\"", true), ("\"\\ud800\"", "\"\u{FFFD}\"", false), ("[]", "{}", false),
        ("[1,2]", "[1.0,2e0]", true), ("[1,2]", "[2,1]", false), ("[1]", "[1,1]", false), ("[1,1]", "[1]", false),
        ("{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"\\u0061\":1}", true), ("{\"a\":1}", "{\"a\":1,\"b\":1}", false),
        ("{\"a\":1,\"b\":1}", "{\"a\":1}", false), ("{\"a\":1}", "{\"b\":1}", false), ("{\"a\":null}", "{\"b\":null}", false),
        ("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}", true), ("{\"a\":1,\"a\":2}", "{\"a\":2}", false),
        ("{\"a\":2,\"b\":1}", "{\"a\":1,\"a\":2}", false), ("{\"a\":1,\"b\":2}", "{\"b\":2,\"b\":2}", false),
        ("{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2,\"b\":2}", false),
    ]) func equality(_ one: String, _ other: String, _ isEqual: Bool) throws {
        for (one, other) in [(one, other), (other, one)] {
            let root = try parse(one).root
            // As it came, and after something was changed in it and changed back.
            let changes =
                switch root.kind {
                case .object: #"{"op":"add","path":"/0/x","value":1},{"op":"remove","path":"/0/x"},"#
                case .array: #"{"op":"add","path":"/0/-","value":1},{"op":"remove","path":"/0/\#(root.count)"},"#
                default: ""
                }
            for prefix in ["", changes] {
                let patch = "[\(prefix)" + #"{"op":"test","path":"/0","value":\#(other)}]"#
                let error = try error(patch, on: "[ \(one) ]")
                #expect(isEqual ? error == nil : error?.reason == .testFailed(path: "/0"), "\(patch) \(one)")
            }
        }
    }

    @Test func copiesAreApart() throws {
        let document = #"{"a":{"b":[1]}}"#
        let change = #"{"op":"add","path":"/a/b/-","value":2},{"op":"copy","from":"/a","path":"/c"},"#
        #expect(try apply(#"[\#(change){"op":"add","path":"/c/b/0","value":0}]"#, to: document) == #"{"a":{"b":[1,2]},"c":{"b":[0,1,2]}}"#)
        #expect(try apply(#"[\#(change){"op":"add","path":"/a/b/0","value":0}]"#, to: document) == #"{"a":{"b":[0,1,2]},"c":{"b":[1,2]}}"#)
        #expect(
            try apply(#"[{"op":"copy","from":"","path":"/a/b/-"},{"op":"remove","path":"/a/b/0"}]"#, to: document)
                == #"{"a":{"b":[{"a":{"b":[1]}}]}}"#)
    }

    // MARK: Refusals

    @Test(
        arguments: [
            ("", nil, "the patch is not JSON: line 1, column 1 (byte 0): the text is empty"),
            ("[{]", nil, "the patch is not JSON: line 1, column 3 (byte 2): expected a member name in double quotes"),
            ("{}", nil, "a JSON Patch is an array of operations; this is an object"), ("null", nil, "this is null"),
            ("[1]", 0, "an operation is an object; this is a number"), ("[{}]", 0, #""op" is missing"#),
            (#"[{"op":1}]"#, 0, #""op" must be a string; it is a number"#),
            (#"[{"op":"Add","path":"","value":1}]"#, 0, #""Add" is not an operation; use add, remove"#),
            (#"[{"op":"add","value":1}]"#, 0, #""path" is missing"#), (#"[{"op":"add","path":""}]"#, 0, #""value" is missing"#),
            (#"[{"op":"copy","path":""}]"#, 0, #""from" is missing"#), (#"[{"op":"remove","path":null}]"#, 0, #""path" must be a string"#),
            (#"[{"op":"remove","path":"a"}]"#, 0, #""path" is "a"; a JSON Pointer is empty or begins with "/""#),
            (#"[{"op":"move","path":"/a","from":"/~2"}]"#, 0, #""from" is "/~2"; a JSON Pointer"#),
            (#"[{"op":"add","path":"/baz","value":"qux","op":"remove"}]"#, 0, #""op" is given more than once"#),
            (#"[{"op":"remove","path":"/a","\u0070ath":"/a"}]"#, 0, #""path" is given more than once"#),
            (#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}]"#, 1, #"there is nothing at "/c""#),
            (#"[{"op":"replace","path":"/c","value":1}]"#, 0, #"there is nothing at "/c""#),
            (#"[{"op":"add","path":"/c/d","value":1}]"#, 0, #"there is nothing at "/c""#),
            (#"[{"op":"add","path":"/n/x/y","value":1}]"#, 0, #""/n" is a number, so nothing is in it"#),
            (#"[{"op":"add","path":"/a/3","value":1}]"#, 0, #""/a/3" is beyond the array, which has 2 elements"#),
            (#"[{"op":"remove","path":"/a/-"}]"#, 0, #""/a/-" is beyond the array"#),
            (#"[{"op":"test","path":"/a/99999999999999999999","value":1}]"#, 0, #"is beyond the array"#),
            (#"[{"op":"add","path":"/a/01","value":1}]"#, 0, #""/a/01" is in an array, where places are digits"#),
            (#"[{"op":"add","path":"/a/-1","value":1}]"#, 0, #""/a/-1" is in an array"#),
            (#"[{"op":"add","path":"/a/","value":1}]"#, 0, #""/a/" is in an array"#),
            (#"[{"op":"copy","from":"/a/x","path":"/b"}]"#, 0, #""/a/x" is in an array"#),
            (#"[{"op":"test","path":"/n","value":2}]"#, 0, #"the value at "/n" is not the one that the test expects"#),
            (#"[{"op":"move","from":"/a","path":"/a/0"}]"#, 0, #""/a" cannot move into itself, to "/a/0""#),
            (#"[{"op":"move","from":"","path":"/a"}]"#, 0, #""" cannot move into itself"#),
            (#"[{"op":"remove","path":""}]"#, 0, "the whole document cannot be removed"),
            (#"[{"op":"move","from":"/c","path":"/c"}]"#, 0, #"there is nothing at "/c""#),
        ] as [(String, Int?, String)]) func aRefusalSaysWhichAndWhy(_ patch: String, _ operation: Int?, _ message: String) throws
    {
        let error = try #require(try error(patch, on: #"{"a":[1,2],"n":1}"#))
        #expect(error.operation == operation && error.description.contains(message), "\(error)")
        #expect(error.description.hasPrefix("operation") == (operation != nil))
    }

    @Test func whatIsNotKnownIsIgnored() throws {
        #expect(try apply(#"[{"op":"remove","path":"/a","from":7,"value":[],"x":1,"x":2}]"#, to: #"{"a":1}"#) == "{}")
    }

    @Test func messagesStayShort() throws {
        let long = String(repeating: "x~1", count: 100_000)
        for patch in [
            #"[{"op":"remove","path":"/\#(long)"}]"#, #"[{"op":"remove","path":"\#(long)"}]"#, #"[{"op":"\#(long)","path":""}]"#,
            #"[{"op":"remove","path":"\#(String(repeating: "/", count: 100_000))"}]"#,
        ] {
            #expect(try #require(try error(patch)).description.utf8.count < 1_000)
        }
    }
}
