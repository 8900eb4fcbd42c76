import ArgumentParser

struct ListCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List flows, in pages of 50.",
        discussion: """
            A quarter of the calls each: changed last first; by type and status; by a label; the next page of one of \
            these. Flows that do not exist are created first; that is not measured.
            """)

    @OptionGroup var options: LoadOptions
    @OptionGroup var preparation: PreparationOptions
    var scenario: Scenario { .list }
    var skipsPreparation: Bool { preparation.skipPreparation }
}

struct VersionsCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "Load old versions of flows, both picked at random.",
        discussion: """
            Versions that do not exist are made first; that is not measured. The operation is "load_version"; it never \
            asks for the version --depth, the latest one.
            """)

    @OptionGroup var options: LoadOptions
    @OptionGroup var preparation: PreparationOptions

    @Option(help: "How many versions each flow has.")
    var depth = 20

    var scenario: Scenario { .versions(depth: depth) }
    var skipsPreparation: Bool { preparation.skipPreparation }

    func validate() throws {
        guard (2...1_000_000).contains(depth) else { throw ValidationError("--depth must be from 2 to 1000000.") }
    }
}

struct ConversationCommand: MeasuringCommand {
    static let configuration = CommandConfiguration(
        commandName: "conversation", abstract: "Save a conversation turn after turn, then load all of its versions.",
        discussion: """
            The state is JSON: a list of messages of 520 bytes on average, to which every turn adds a question and an \
            answer. 500 turns make states of 130 MB together. One call is in flight at a time: every turn is saved \
            ("save"); then, in random order, every version is loaded once ("load_version"), and the latest as often \
            ("load_latest"). A state that is not byte for byte what was saved is an error.

            The report has the flow's id and tenant, the turns, and the bytes of all states together, to compare with \
            what the database keeps. Each run makes a new flow. Of the options for calls in general, --connections, \
            --in-flight, --flows, --state-size, --change, --rate, --duration and --warmup do not matter.
            """)

    @OptionGroup var options: LoadOptions

    @Option(help: "How many turns the conversation has.")
    var turns = 500

    @Flag(help: "Make words of random letters, of which only repetitions can be packed, instead of picking them from a hundred.")
    var randomWords = false

    var scenario: Scenario { .conversation(turns: turns, randomWords: randomWords) }

    func validate() throws {
        guard (1...10_000).contains(turns) else { throw ValidationError("--turns must be from 1 to 10000.") }
    }
}
