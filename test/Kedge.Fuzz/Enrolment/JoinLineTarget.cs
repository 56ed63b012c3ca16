using System.Text;
using Kedge.Protocol.Enrolment;

namespace Kedge.Fuzz.Enrolment;

/// <summary>Join lines: what is accepted has one meaning, which the base library reads in its address too, and is not shown with its token.</summary>
public sealed class JoinLineTarget : Target
{
    public override string Name => "join-line";

    public override int MaximumLength => 300;

    public override int ShortRun => 40_000;

    public override IReadOnlyList<byte[]> Dictionary { get; } =
    [
        .. new[]
        {
            "kedge:https://", "?network=", "&pin=", "&token=", "&invitation=buoy-7.AQEBAQEBAQEBAQEBAQEBAQ", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", "a.b", ":8443", ":0", ":65536", "[fd00::1]",
            "10.0.0.1", "0x7f.1", "xn--bcher-kva", "%41", "@", "#", "/", "\\", "..", "\r\n", "\u2024", "\uff0e", "\u0130",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        string text = Encoding.UTF8.GetString(input);
        bool accepted = JoinLine.TryParse(text, out JoinLine? line, out string? error);
        trace.Note(1, accepted ? 1 : 0);
        trace.Note(2, error is null ? 0 : error[^Math.Min(error.Length, 30)..].Sum(c => c));
        Invariant.Equal(accepted, line is not null, "a line is there when it is accepted");
        Invariant.Equal(accepted, error is null, "an error is there when it is not");
        if (line is null)
            return;
        trace.Note(3, line.Token is null ? 0 : 1);
        Invariant.Holds(JoinLine.TryParse(line.ToSecretText(), out JoinLine? again, out _), "what is written is read");
        Invariant.Equal(line, again, "what is written is read as itself");
        Invariant.Holds(line.Token is null || JoinLine.IsToken(line.Token), "a token has the form of one");
        Invariant.Holds(line.Token is null || !line.ToString().Contains("token", StringComparison.Ordinal), "a token is not shown");
        Invariant.Holds(line.Invitation is null || !line.ToString().Contains("invitation", StringComparison.Ordinal), "an invitation is not shown");
        Invariant.Holds(line.OtherPins.Distinct().Count() == line.OtherPins.Count && !line.OtherPins.Contains(line.Pin), "each pin is there once");
        Invariant.Holds(Uri.TryCreate(line.Url, UriKind.Absolute, out Uri? uri), "the base library knows the address");
        Invariant.Equal(line.Host, uri!.Host.Trim('[', ']'), "the base library reads the same host");
        Invariant.Equal(line.Port, uri.Port, "the base library reads the same port");
        Invariant.Holds(uri.UserInfo.Length == 0 && uri.PathAndQuery == "/", "there is nothing else in an address");
    }
}
