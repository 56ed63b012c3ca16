using Kedge.Commands;
using Kedge.Protocol.WireGuard;

namespace Kedge.Tests.Commands;

/// <summary>What <c>wg show INTERFACE latest-handshakes</c> prints.</summary>
public class WgToolTests
{
    private const string One = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", Other = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";

    [Fact]
    public void Handshakes_are_seconds_since_1970_and_0_for_none()
    {
        IReadOnlyDictionary<PublicKey, DateTimeOffset?> handshakes = WgTool.ParseHandshakes($"{One}\t1700000000\n{Other}\t0\n");
        Assert.Equal(2, handshakes.Count);
        Assert.Equal(new DateTimeOffset(2023, 11, 14, 22, 13, 20, TimeSpan.Zero), handshakes[PublicKey.Parse(One)]);
        Assert.Null(handshakes[PublicKey.Parse(Other)]);
    }
}
