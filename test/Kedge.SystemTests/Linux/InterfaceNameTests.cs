using Kedge.Linux;

namespace Kedge.SystemTests.Linux;

public class InterfaceNameTests
{
    [Fact]
    public void Names_and_indexes_lead_to_each_other()
    {
        Assert.Equal("lo", InterfaceName.FromIndex(InterfaceName.ToIndex("lo")));
        Assert.Null(InterfaceName.FromIndex(int.MaxValue));
        var failure = Assert.Throws<LinuxException>(() => InterfaceName.ToIndex("no-such-if"));
        Assert.Equal(Errno.ENODEV, failure.Errno);
        Assert.Contains("no-such-if", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wg0")]
    [InlineData("wg%d")]
    [InlineData("fifteen-letters")]
    [InlineData("...")]
    [InlineData("ümlaut")]
    public void A_name_that_an_interface_can_have_is_no_error(string name) => Assert.Null(InterfaceName.Error(name));
}
