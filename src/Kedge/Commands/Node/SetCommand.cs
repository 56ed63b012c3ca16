using System.CommandLine;
using System.Globalization;
using Kedge.Linux.Namespaces;
using Kedge.Linux.Processes;
using Kedge.Node.ControlLink;
using Kedge.Protocol;

namespace Kedge.Commands.Node;

/// <summary>
/// <c>kedge set</c>: changes settings of a node that has joined, whether or not it runs. What the controller has a say in is asked for first;
/// then the control link that runs takes the settings over, and no packet is lost.
/// </summary>
internal sealed class SetCommand : Command
{
    private readonly Option<string> _interface = InterfaceOption.Create();
    private readonly NodeOptions _options = new();
    private readonly NodePlaces _places = new();

    public SetCommand()
        : base("set", "Change settings of a node, also of one that runs. Those that are not given stay as they are.")
    {
        Options.Add(_interface);
        foreach (Option option in _options.Changeable)
            Options.Add(option);
        _places.AddTo(this);
        Validators.Add(result =>
        {
            if (!_options.Changeable.Any(option => result.GetResult(option) is { Implicit: false }))
                result.AddError("Name at least one setting to change, such as --child-prefix 10.7.0.0/24.");
        });
        SetAction((call, _) => RunAsync(call));
    }

    private async Task<int> RunAsync(ParseResult call)
    {
        NodePlace place = _places.Of(call, call.GetRequiredValue(_interface));
        if (!Environment.IsPrivilegedProcess)
            throw new UserError("'kedge set' changes a network interface and its keys' membership: run it as root.");
        Membership before = Membership.Read(place.Folder) switch
        {
            { Status: not Membership.Pending } joined => joined,
            { } => throw new UserError($"{place.Interface} still waits to join. Give the settings to 'kedge up', which goes on with the join."),
            null => throw new UserError(
                $"{place.Interface} has not joined a zone. 'kedge status' shows the interfaces that have; name one with --interface."),
        };
        NodeSettings settings = _options.ApplyGiven(call, before.Settings);
        string[] changes = [.. Changes(before.Settings, settings)];
        if (changes.Length == 0)
        {
            Say($"{place.Interface} has these settings already.");
            return 0;
        }
        using var ending = new CancellationTokenSource();
        using var signals = new EndSignals(ending.Cancel);
        Membership now = await new Joining(place.Folder, Say, TimeProvider.System).JoinAsync(null, settings, ending.Token);
        bool runs = HaveLinkReadAgain(place);
        string down = runs ? "" : $" It does not run: 'kedge up --interface {place.Interface}' starts it with them.";
        Say($"{place.Interface}: {string.Join(", ", changes)}.{down}");
        if (now.DescribeWaiting() is { } waiting)
            Say(waiting);
        return 0;
    }

    private static void Say(string sentence) => Console.Error.WriteLine($"kedge: {sentence}");

    /// <summary>Has the control link take over what is on disk.</summary>
    /// <returns>Whether one runs.</returns>
    private static bool HaveLinkReadAgain(NodePlace place)
    {
        if (ProcessLock.Holder(place.Run.LinkLock) is not { } identity)
            return false;
        using ProcessHandle? link = ProcessHandle.Open(identity);
        return link?.Signal(ProcessSignal.HangUp) ?? false;
    }

    private static IEnumerable<string> Changes(NodeSettings before, NodeSettings now)
    {
        (string What, string Before, string Now)[] all =
        [
            ("name", before.Name ?? "the machine's", now.Name ?? "the machine's"),
            ("requested addresses", List(before.RequestedAddresses), List(now.RequestedAddresses)),
            ("networks behind it", List(before.ChildPrefixes), List(now.ChildPrefixes)),
            ("listen port", Port(before), Port(now)),
            ("MTU", Number(before.Mtu), Number(now.Mtu)),
            ("firewall mark", $"{before.Mark}", $"{now.Mark}"),
            ("ephemeral", YesOrNo(before.Ephemeral), YesOrNo(now.Ephemeral)),
            ("local endpoint addresses", List(before.LocalEndpointAddresses), List(now.LocalEndpointAddresses)),
            ("internal network", YesOrNo(before.InternalNetwork), YesOrNo(now.InternalNetwork)),
            ("port mapping", YesOrNo(!before.NoPortMapping), YesOrNo(!now.NoPortMapping)),
            ("relay", YesOrNo(before.Relay), YesOrNo(now.Relay)),
            ("relay rate", Rate(before), Rate(now)),
        ];
        return from one in all where one.Before != one.Now select $"{one.What} {one.Before} -> {one.Now}";
    }

    private static string List(IReadOnlyList<string> values) => values.Count == 0 ? "none" : string.Join(" ", values);

    private static string Port(NodeSettings settings) => settings.ListenPort == 0 ? "any" : Number(settings.ListenPort);

    private static string Rate(NodeSettings settings) => $"{Number(settings.RelayRate ?? NodeSettings.DefaultRelayRate)} Mbit/s";

    private static string YesOrNo(bool value) => value ? "yes" : "no";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
