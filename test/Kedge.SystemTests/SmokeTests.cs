namespace Kedge.SystemTests;

public class SmokeTests
{
    [Fact]
    public void The_machine_has_a_tun_device() => Assert.True(File.Exists("/dev/net/tun"));
}
