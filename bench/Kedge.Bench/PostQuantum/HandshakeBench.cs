using Kedge.Crypto.Kem;
using Kedge.Protocol.Rosenpass;

namespace Kedge.Bench.PostQuantum;

/// <summary>
/// Handshakes of Rosenpass a second on one core, of both ends one after the other and of each alone, and what goes over the wire; with
/// managed mechanisms, and with the best that this machine has.
/// </summary>
internal static class HandshakeBench
{
    private const int Handshakes = 200, WarmUps = 50, Group = 20;

    // Of IP and UDP: 20 or 40, and 8.
    private const int HeadersOverIPv4 = 28, HeadersOverIPv6 = 48;

    public static void Run()
    {
        RosenpassDialect best = RosenpassDialect.Released;
        var managed = new RosenpassDialect(best.Name, best.Hash, Managed("mceliece460896pc"), Managed("kyber512"), best.HasCookies);
        Console.WriteLine($"handshakes a second on one core, median of groups of {Group} [min..max]");
        Console.WriteLine($"{"",-30}{"both ends",-30}{"initiator alone",-30}{"responder alone",-30}");
        Measure(managed, "managed");
        Measure(best, "the best of this machine");
    }

    private static IKem Managed(string mechanism) => KemImplementation.All
        .Single(implementation => implementation.Mechanism == mechanism && implementation.Name == KemImplementation.Managed)
        .Create();

    private static void Measure(RosenpassDialect dialect, string name)
    {
        using var pair = new HandshakePair(dialect);
        for (int i = 0; i < WarmUps; i++)
            pair.ShakeHands();
        var (both, initiator, responder) = (new List<double>(), new List<double>(), new List<double>());
        for (int i = 0; i < Handshakes / Group; i++)
        {
            pair.Reset();
            for (int j = 0; j < Group; j++)
                pair.ShakeHands();
            both.Add(Group / (pair.InitiatorTime + pair.ResponderTime).TotalSeconds);
            initiator.Add(Group / pair.InitiatorTime.TotalSeconds);
            responder.Add(Group / pair.ResponderTime.TotalSeconds);
        }
        Console.WriteLine($"{name,-30}{Text(both),-30}{Text(initiator),-30}{Text(responder),-30}");
        int bytes = pair.Messages.Sum();
        Console.WriteLine(
            $"{"",-30}a renewal: {string.Join(" + ", pair.Messages)} = {bytes} bytes, " +
            $"{bytes + (pair.Messages.Count * HeadersOverIPv4)} over IPv4, {bytes + (pair.Messages.Count * HeadersOverIPv6)} over IPv6");
    }

    private static string Text(List<double> values) => new Sample(values).ToString("F0");
}
