using System.Net;
using Kedge.Bench.Dataplane;
using Kedge.Demo;

namespace Kedge.Bench.Paths;

/// <summary>
/// Two devices of Kedge whose datagrams go by a channel of coturn (RFC 8656): at one end in ChannelData messages, which a
/// <see cref="TurnChannel"/> makes, at the other as they are.
/// </summary>
internal sealed class CoturnScene : RelayScene
{
    private const int TurnPort = 3478;

    private readonly TurnChannel _channel;

    private CoturnScene(string program)
    {
        Relay.Start(
            "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-auth", "--log-file", "/dev/null", "-L", AddressOf(2),
            "--pidfile", Path.Combine(Net.TempFolder, "turnserver.pid"), "--userdb", Path.Combine(Net.TempFolder, "turnserver.db"));
        Wait.Until(() => Relay.Run("ss", "-H", "-lun").Output.Contains($":{TurnPort} ", StringComparison.Ordinal), Patience, "coturn");
        DeviceProcess atA = DeviceProcess.StartKedge(A, program), atB = DeviceProcess.StartKedge(B, program);
        atA.SetUp([$"{BenchPath.TunnelOfA}/24"]);
        atB.SetUp([$"{BenchPath.TunnelOfB}/24"]);
        _channel = A.Namespace.Run(() => TurnChannel.Open(
            IPEndPoint.Parse($"{AddressOf(2)}:{TurnPort}"), IPEndPoint.Parse($"{AddressOf(4)}:{atB.ListenPort}")));
        atA.AddPeer(atB, [$"{BenchPath.TunnelOfB}/32"], $"127.0.0.1:{_channel.Port}");
        atB.AddPeer(atA, [$"{BenchPath.TunnelOfA}/32"]);
    }

    /// <inheritdoc/>
    public override string AddressOfB => BenchPath.TunnelOfB;

    /// <inheritdoc/>
    public override IReadOnlyList<RelayPath> Paths => [new("Kedge's devices by coturn", () => WaitForAnswer("an answer by coturn"))];

    /// <summary>Builds it.</summary>
    public static CoturnScene Open(string program) => new(program);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _channel.Dispose();
        base.Dispose();
    }
}
